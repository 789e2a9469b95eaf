import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { oneOf, seededRandom } from '@holdfast/demo';
import { prepareReplicas, type Replica, type ReplicatedServices, until } from '../harness/replicas.ts';
import { seed } from '../harness/sample-group.ts';
import { subgraphs } from '../harness/services.ts';

const isLong = process.env['HOLDFAST_TESTS'] === 'long';
const tried = isLong ? subgraphs : [oneOf(seededRandom(seed), subgraphs)];

/** What each says of the lease: `leads under token N`, or for whom it waits. */
async function leaderChecks(replicas: readonly Replica[]): Promise<string[]> {
  return Promise.all(
    replicas.map(async each => (await each.checks()).find(({ name }) => name === 'leader')?.detail ?? 'silent'),
  );
}

function tokenIn(details: readonly string[]): number {
  return Number(details.flatMap(detail => /^leads under token (\d+)/.exec(detail)?.[1] ?? []).at(0));
}

async function theLeader(replicas: readonly Replica[]): Promise<Replica> {
  let found: Replica | undefined;
  const leads = async (): Promise<boolean> => {
    const leading = await Promise.all(replicas.map(each => each.isLeading()));
    found = replicas.find((_, index) => leading[index]);
    return found !== undefined;
  };
  await until('one of them leads', leads, () => replicas.map(({ app }) => app.output()).join('\n'));
  if (found === undefined) throw new Error('nobody leads');
  return found;
}

async function statusOf(replica: Replica, path: string): Promise<number> {
  const { app } = replica;
  if (replica.hasEnded()) throw new Error(`It has ended:\n${app.output()}`);
  const answer = await fetch(new URL(path, app.url), { headers: { connection: 'close' } });
  await answer.body?.cancel();
  return answer.status;
}

describe.each(tried)(`replicas of %s (seed ${seed})`, service => {
  let services: ReplicatedServices;
  let replicas: readonly Replica[];
  let token: number;
  const launch = (places: readonly number[]): readonly Replica[] =>
    places.map(place => services.launch(service, { place }));
  /** They look a few times a second: the one that was killed may still be named for that long. */
  const untilAllWaitFor = async (leader: Replica): Promise<void> => {
    const expected = `waiting for the lease of ${service} (held by pid ${String(leader.app.pid)} since `;
    const others = replicas.filter(each => each !== leader && !each.hasEnded());
    let details: readonly string[] = [];
    const allWait = async (): Promise<boolean> => {
      details = await leaderChecks(others);
      return details.every(detail => detail.startsWith(expected));
    };
    await until(`${expected}…`, allWait, () => details.join('\n'));
  };

  beforeAll(async () => {
    services = await prepareReplicas({ placesPerService: 3, replaceAfterSeconds: 600 });
    replicas = launch([0, 1, 2]);
    await Promise.all(replicas.map(each => each.listening()));
  }, 120_000);
  afterAll(() => services.remove(), 60_000);

  it('are led by one, whoever came first; the others live, are not ready and say for whom they wait', async () => {
    const leader = await theLeader(replicas);
    const others = replicas.filter(each => each !== leader);
    await untilAllWaitFor(leader);
    expect(await Promise.all(others.map(each => statusOf(each, '/livez')))).toEqual([200, 200]);
    expect(await Promise.all(others.map(each => statusOf(each, '/readyz')))).toEqual([503, 503]);
    token = tokenIn(await leaderChecks(replicas));
  }, 120_000);

  it('are led by another one at once when the leader is killed with -9, and by one alone', async () => {
    const leader = await theLeader(replicas);
    await leader.app.stop('SIGKILL');
    const left = replicas.filter(each => each !== leader);
    const next = await theLeader(left);
    await untilAllWaitFor(next);
    const after = tokenIn(await leaderChecks(left));
    expect(after).toBeGreaterThan(token);
    token = after;
  }, 120_000);

  it('find one leader again when all are killed with -9 and started at once', async () => {
    await Promise.all(replicas.map(({ app }) => app.stop('SIGKILL')));
    replicas = launch([0, 1]);
    await Promise.all(replicas.map(each => each.listening()));
    const leader = await theLeader(replicas);
    await untilAllWaitFor(leader);
    expect(tokenIn(await leaderChecks(replicas))).toBeGreaterThan(token);
  }, 120_000);

  it('refuse by name to work on a store that a newer version has led', async () => {
    const leader = await theLeader(replicas);
    const other = replicas.find(each => each !== leader);
    // What a newer version leaves: a step that nobody here has heard of.
    const store = new DatabaseSync(services.storeOf(service), { timeout: 5_000 });
    store
      .prepare('insert into schema_migration (source, number, name, sha256, applied_at) values (?, 9999, ?, ?, ?)')
      .run(service, 'from-the-future', '0'.repeat(64), new Date().toISOString());
    store.close();
    await leader.app.stop('SIGKILL');
    await until(
      'it ends',
      () => other?.hasEnded() === true,
      () => other?.app.output() ?? '',
    );
    expect(await other?.app.stop()).toBe(1);
    expect(other?.app.output()).toContain('which this version does not know: run the newer version.');
  }, 120_000);
});
