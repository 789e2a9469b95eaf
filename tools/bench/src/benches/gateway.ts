import type { Bench } from '../bench.ts';
import { atLeast, type Figure, figureOf, type Unmeasured } from '../figure.ts';
import { installApollo } from '../apollo.ts';
import { fromRoot, progressOf, roundsOf, runProgram } from '../program.ts';

const milliseconds = { usual: 3_000, quick: 300 };
const connections = 50;
const apolloName = '@apollo/gateway';

export const gatewayBench: Bench = {
  name: 'gateway',
  what: 'a list of 50 groups with fields of all four services, every request another page, 50 connections',
  usualRounds: 5,
  async measure({ rounds, quick, folder, say }) {
    const apollo = await installApollo(say).catch((error: unknown) => String(error));
    const ours = ['--connections', String(connections), '--folder', folder];
    const amounts = [
      '--rounds',
      String(rounds),
      '--milliseconds',
      String(quick ? milliseconds.quick : milliseconds.usual),
    ];
    const peer = typeof apollo === 'string' ? [] : ['--apollo', apollo.folder];
    const args = ['list', ...amounts, ...ours, ...peer];
    const measured = await runProgram(fromRoot('apps/gateway/bench/main.ts'), args, progressOf(say));
    const peers = ['one subgraph', 'fixed plan', ...(typeof apollo === 'string' ? [] : [apolloName])];
    const figure = (number: string, unit: string, better: 'more' | 'less'): Figure =>
      figureOf(
        { ...roundsOf(measured, 'Holdfast', number), name: number, unit },
        peers.map(name => roundsOf(measured, name, number)),
        (value, beside) =>
          beside
            .filter(({ name }) => name === apolloName)
            .map(({ value: theirs }) =>
              better === 'more'
                ? atLeast(value, 2 * theirs, `2 × ${apolloName} (next step)`)
                : { words: `≤ 0.5 × ${apolloName} (next step)`, met: value <= theirs / 2 },
            ),
      );
    const unmeasured: Unmeasured[] = typeof apollo === 'string' ? [{ name: apolloName, unmeasured: apollo }] : [];
    return {
      figures: [
        figure('requestsPerSecond', 'req/s', 'more'),
        figure('cpuMsPerRequest', 'ms', 'less'),
        figureOf(
          { ...roundsOf(measured, 'Holdfast', 'p99Ms'), name: 'p99Ms', unit: 'ms' },
          peers.map(name => roundsOf(measured, name, 'p99Ms')),
        ),
        ...unmeasured,
      ],
      notes: [
        'The CPU time is of the process that was asked; on two cores that also run the load and the subgraphs it is the figure to trust.',
        'The subgraphs give known bytes. Ours checks a token and signs four requests, the others do neither; one subgraph is asked for its own fields only.',
        `${apolloName} is a peer of the measurement, installed outside this workspace, and no dependency (its licence is Elastic-2.0).`,
      ],
    };
  },
};
