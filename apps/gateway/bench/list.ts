import { copyFile, writeFile } from 'node:fs/promises';
import { globalAgent } from 'node:http';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from './child.ts';
import { load, post, type Target } from './load.ts';
import { bodyOf, listQuery, ownQuery, pages } from './query.ts';
import { writeApolloSupergraph, writeSupergraph } from './schemas.ts';

export type ListOptions = {
  readonly rounds: number;
  /** Of every measurement, after a quarter of it for warming up. */
  readonly milliseconds: number;
  readonly connections: number;
  readonly folder: string;
  /** Where @apollo/gateway is installed; undefined: it is not measured. */
  readonly apollo: string | undefined;
};

export type Measured = {
  readonly measured: string;
  readonly round: number;
  readonly requestsPerSecond: number;
  /** Of the process that was asked, whatever it had others do. */
  readonly cpuMsPerRequest: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMebibytes: number;
};

type Candidate = { readonly name: string; readonly child: Child; readonly target: Target; readonly bodies: string[] };

const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** Round after round, each with every candidate; the order turns around. All must answer the list with the same data first. */
export async function* listRounds(options: ListOptions): AsyncGenerator<Measured> {
  const { rounds, milliseconds, connections } = options;
  const { candidates, stop } = await startAll(options);
  try {
    await assertSameAnswers(candidates);
    // What was just started is still being compiled: whoever runs for months is measured as it then is.
    for (const { target, bodies } of candidates)
      await load(target, bodies, { connections, milliseconds, requests: milliseconds / 3 });
    for (let round = 1; round <= rounds; round += 1) {
      for (const { name, child, target, bodies } of round % 2 === 1 ? candidates : candidates.toReversed()) {
        await load(target, bodies, { connections, milliseconds: milliseconds / 4 });
        const before = await child.usage();
        const { latenciesMs, seconds } = await load(target, bodies, { connections, milliseconds });
        const after = await child.usage();
        const sorted = latenciesMs.toSorted((a, b) => a - b);
        const rank = (percent: number): number => sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? NaN;
        yield {
          ...{ measured: name, round, requestsPerSecond: sorted.length / seconds, p50Ms: rank(50), p99Ms: rank(99) },
          cpuMsPerRequest: (after.cpuMs - before.cpuMs) / sorted.length,
          rssMebibytes: after.rssMebibytes,
        };
      }
    }
  } finally {
    await stop();
  }
}

async function startAll({ folder, apollo }: Pick<ListOptions, 'folder' | 'apollo'>) {
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(child => child.stop()));
  };
  const started = async (path: string, args: readonly string[]): Promise<Child> => {
    const child = await startChild(path, args);
    children.push(child);
    return child;
  };
  const candidate = (name: string, child: Child, url: string, query = listQuery): Candidate => {
    const { authorization } = child.announced;
    const headers = authorization === undefined ? {} : { authorization };
    return { name, child, target: { url, headers }, bodies: pages.map(page => bodyOf(query, page)) };
  };
  try {
    const subgraphs = await started(main, ['subgraphs']);
    await writeFile(join(folder, 'urls.json'), JSON.stringify(subgraphs.announced));
    writeSupergraph(folder);
    const candidates = [candidate('one subgraph', subgraphs, subgraphs.announced['inventory'] ?? '', ownQuery)];
    for (const [name, word] of [
      ['fixed plan', 'fixed-plan'],
      ['Holdfast', 'holdfast'],
    ] as const) {
      const child = await started(main, [word, '--folder', folder]);
      candidates.push(candidate(name, child, child.announced['url'] ?? ''));
    }
    if (apollo !== undefined) {
      // Beside its packages, so that it finds them; nothing of ours does.
      const server = join(apollo, 'server.mjs');
      await copyFile(fileURLToPath(new URL('apollo-server.mjs', import.meta.url)), server);
      const child = await started(server, [writeApolloSupergraph(folder, subgraphs.announced)]);
      candidates.push(candidate('@apollo/gateway', child, child.announced['url'] ?? ''));
    }
    return { candidates, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assertSameAnswers(candidates: readonly Candidate[]): Promise<void> {
  const [, ...whole] = candidates;
  for (const page of [0, 7]) {
    const answers = await Promise.all(
      whole.map(async ({ name, target, bodies }) => ({
        name,
        ...parsed(await post(target, bodies[page] ?? '', globalAgent)),
      })),
    );
    for (const { name, data, errors } of answers)
      if (errors !== undefined || !isDeepStrictEqual(data, answers[0]?.data))
        throw new Error(`${name} answers otherwise: ${JSON.stringify(errors ?? data).slice(0, 1_000)}`);
  }
}

function parsed(answer: string): { readonly data?: unknown; readonly errors?: unknown } {
  return JSON.parse(answer) as { data?: unknown; errors?: unknown };
}
