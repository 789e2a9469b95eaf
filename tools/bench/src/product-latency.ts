import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { json } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createGatewayClient, type Estate, protectEstate, smallGroup, startEstate } from '@holdfast/demo';
import { type Cluster, startCluster } from '@holdfast/run';
import { percentile } from './statistics.ts';

/** One round: milliseconds, of as many mutations. */
export type MutationRound = {
  /** Asked → answered. */
  readonly answered: readonly number[];
  /** Answered → its effect committed in the other service; 0 where the effect was there first. */
  readonly effect: readonly number[];
  /** Asked → its effect committed in the other service. */
  readonly whole: readonly number[];
  /** Between two looks into the other service's store, of 95 per cent: so much later than it happened a commit is seen at most. */
  readonly lookMs: number;
};

export type MeasuredCluster = {
  /** That many mutations, one every `everyMs`, whether those before are answered or not. */
  measure(mutations: number, everyMs: number): Promise<MutationRound>;
  stop(): Promise<void>;
};

/** A standby that rests already is paused anew: shipping stores and publishes each time, and nobody has to touch a server for it. */
const mutation = `mutation ($input: PauseStandbyInput!) {
  pauseStandby(input: $input) { __typename ... on Standby { version } ... on Refusal { message } } }`;
const lookEveryMs = 1;
/** Of the last effects, after the last answer. */
const limitMs = 60_000;

/** Gateway and four services as `npm run start:cluster` starts them, with a small group under their protection and its standby paused. */
export async function startMeasuredCluster(folder: string, brokers: string): Promise<MeasuredCluster> {
  const log = (): undefined => undefined;
  const estate: Estate = await startEstate(folder, smallGroup, log);
  let cluster: Cluster | undefined;
  const stop = async (): Promise<void> => {
    // The gateway first, and what it asks only then.
    for (const { first } of cluster?.members.toReversed() ?? []) await first.stop();
    await estate.stop();
  };
  try {
    cluster = await startCluster({ dataFolder: folder, brokers, log });
    const { url, token = '' } = cluster;
    const addresses = { dataFolder: folder, group: smallGroup, ports: estate.ports };
    const { standbyId } = await protectEstate(createGatewayClient(url, token), addresses);
    const store = join(folder, 'state', 'restore.db');
    const measure = (mutations: number, everyMs: number): Promise<MutationRound> =>
      measureRound(pauserOf(url, token, standbyId), { store, standbyId }, mutations, everyMs);
    // Nothing of the first ones counts: plans are made, connections opened, code is compiled.
    await measure(200, 20);
    return { measure, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Seen = { readonly version: number; readonly atMs: number };

async function measureRound(
  pauseStandby: () => Promise<number>,
  place: { readonly store: string; readonly standbyId: string },
  mutations: number,
  everyMs: number,
): Promise<MutationRound> {
  const enough = new AbortController();
  const watching = watch(place, enough.signal);
  const startedAt = performance.now();
  const asked = Array.from({ length: mutations }, async (_, n) => {
    await pause(Math.max(0, startedAt + n * everyMs - performance.now()));
    const askedAt = performance.now();
    const version = await pauseStandby();
    return { version, askedAt, answeredAt: performance.now() };
  });
  try {
    const all = await Promise.all(asked);
    const { seen, lookMs } = await watching.until(Math.max(...all.map(({ version }) => version)));
    const committedAt = (version: number): number => seen.find(each => each.version >= version)?.atMs ?? NaN;
    return {
      answered: all.map(({ askedAt, answeredAt }) => answeredAt - askedAt),
      effect: all.map(({ version, answeredAt }) => Math.max(0, committedAt(version) - answeredAt)),
      whole: all.map(({ version, askedAt }) => committedAt(version) - askedAt),
      lookMs,
    };
  } finally {
    enough.abort();
  }
}

/** Looks into the store of restore, from outside, as a reader in its WAL, all the time: the service itself does nothing for it. */
function watch(
  { store, standbyId }: { readonly store: string; readonly standbyId: string },
  signal: AbortSignal,
): { until(version: number): Promise<{ seen: readonly Seen[]; lookMs: number }> } {
  const database = new DatabaseSync(store, { readOnly: true });
  const statement = database.prepare('select version from standby_view where standby_id = ?');
  const seen: Seen[] = [];
  const betweenMs: number[] = [];
  const look = async (): Promise<void> => {
    for (let last = performance.now(); !signal.aborted;) {
      const row = statement.get(standbyId) as { version: number } | undefined;
      const now = performance.now();
      betweenMs.push(now - last);
      last = now;
      if (row !== undefined && row.version !== seen.at(-1)?.version) seen.push({ version: row.version, atMs: now });
      await pause(lookEveryMs);
    }
  };
  const looking = look().finally(() => database.close());
  looking.catch(() => undefined);
  return {
    async until(version) {
      const limit = performance.now() + limitMs;
      while ((seen.at(-1)?.version ?? 0) < version) {
        if (performance.now() > limit) throw new Error(`The effect was not committed within ${limitMs} ms.`);
        await Promise.race([pause(lookEveryMs), looking]);
      }
      return { seen, lookMs: percentile(betweenMs, 95) };
    },
  };
}

/** Answers the version of the standby that the mutation made. */
function pauserOf(url: string, token: string, standbyId: string): () => Promise<number> {
  const options = {
    method: 'POST',
    // The gateway closes connections that rest for 5 s.
    agent: new Agent({ keepAlive: true, timeout: 2_000 }),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  };
  return async () => {
    const input = { standbyId, reason: `measured ${randomUUID()}` };
    const { data, errors } = await new Promise<Answer>((resolve, reject) => {
      const asked = request(url, options, response => {
        json(response).then(answer => resolve(answer as Answer), reject);
      });
      asked.once('error', reject);
      asked.end(JSON.stringify({ query: mutation, variables: { input } }));
    });
    const version = data?.pauseStandby.version;
    if (version === undefined) throw new Error(`pauseStandby: ${JSON.stringify(errors ?? data)}`);
    return version;
  };
}

type Answer = {
  readonly data?: { readonly pauseStandby: { readonly version?: number } } | null;
  readonly errors?: unknown;
};
