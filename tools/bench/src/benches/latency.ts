import type { Bench } from '../bench.ts';
import { withBrokers } from '../brokers.ts';
import { atMost, type Figure, figureOf, type Unmeasured } from '../figure.ts';
import { fromRoot, type Measured, progressOf, roundsOf, runProgram } from '../program.ts';

const events = { usual: 1_000, quick: 50 };
const goalsMs = { p50Ms: 10, p95Ms: 30 };

export const latencyBench: Bench = {
  name: 'latency',
  what: 'transaction answered → effect committed in the other service, at 100 per second',
  usualRounds: 3,
  async measure({ rounds, quick, folder, say }) {
    const count = quick ? events.quick : events.usual;
    const args = ['latency', '--rounds', String(rounds), '--events', String(count), '--folder', folder];
    const run = (...more: readonly string[]): Promise<readonly Measured[]> =>
      runProgram(fromRoot('libs/messaging/bench/main.ts'), [...args, ...more], progressOf(say));
    const kafka = await withBrokers(folder, say, brokers => run('--brokers', brokers));
    const measured = kafka.kind === 'DONE' ? kafka.result : await run();
    const figure = (bus: string, number: keyof typeof goalsMs, peers: readonly string[]): Figure =>
      figureOf(
        { ...roundsOf(measured, bus, number), name: `${bus}, ${number.slice(0, 3)}`, unit: 'ms' },
        peers.map(name => roundsOf(measured, name, number)),
        value => (bus === 'Kafka' ? [atMost(value, goalsMs[number], `${goalsMs[number]} ms`)] : []),
      );
    const numbers = ['p50Ms', 'p95Ms'] as const;
    const unmeasured: Unmeasured[] = kafka.kind === 'DONE' ? [] : [{ name: 'Kafka', unmeasured: kafka.why }];
    return {
      figures: [
        ...(kafka.kind === 'DONE' ? numbers : []).map(number => figure('Kafka', number, ['raw kafkajs'])),
        ...unmeasured,
        ...numbers.map(number => figure('embedded', number, [])),
      ],
      notes: [
        'From the commit that a caller is told of to the commit of the effect, through two stores, outbox, relay, bus and inbox; without the GraphQL call before it.',
        'Raw kafkajs: from the sending to the receipt, nothing stored.',
      ],
    };
  },
};
