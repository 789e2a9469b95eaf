import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createGatewayClient, protectEstate, smallGroup, startEstate } from '@holdfast/demo';
import {
  brokersOf,
  type Cluster,
  lastingPorts,
  missingForKafka,
  type RunningProcess,
  startBroker,
  startCluster,
} from '@holdfast/run';
import { transports, watch, type Watcher } from '../harness/watcher.ts';

const limitMs = 60_000;
const query = 'subscription ($after: Int) { standby(id: "ID", afterVersion: $after) { version state } }';

const reason = missingForKafka(process.env);
const describeWithBroker = reason === undefined ? describe : describe.skip;

const itLong = process.env['HOLDFAST_TESTS'] === 'long' ? it : it.skip;

const lines: string[] = [];
const ending: (() => Promise<unknown>)[] = [];
let cluster: Cluster;
let client: ReturnType<typeof createGatewayClient>;
let standbyId: string;
const running = new Map<string, RunningProcess>();
const watchers = new Map<string, Watcher>();

async function untilSo(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  while (!(await isSo())) {
    if (limit.aborted) throw new Error(`waited in vain: ${what}\n${lines.slice(-20).join('\n')}`);
    await pause(20);
  }
}

async function kill(name: string): Promise<void> {
  await running.get(name)?.kill();
}

async function start(name: string, env?: Readonly<Record<string, string>>): Promise<void> {
  const member = cluster.members.find(each => each.name === name);
  if (member === undefined) throw new Error(`there is no ${name}`);
  running.set(name, await member.startAgain(env));
}

/** Where the first process of a service listens, and each that was started again without a word about it. */
function addressOf(name: string): string {
  return String(cluster.members.find(each => each.name === name)?.first.announcement['url']);
}

async function statusAt(url: string): Promise<number | undefined> {
  const answer = await fetch(new URL('/readyz', url)).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status;
}

let isPaused = false;

/** Changes the standby and resolves with the version it then has. */
async function change(): Promise<number> {
  const how = isPaused ? 'resumeStandby' : 'pauseStandby';
  isPaused = !isPaused;
  const input = isPaused ? { standbyId, reason: 'to see it' } : { standbyId };
  const type = isPaused ? 'PauseStandbyInput' : 'ResumeStandbyInput';
  const answer = await client.ask<Record<string, { version: number }>>(
    `mutation ($input: ${type}!) { ${how}(input: $input) { __typename ... on Standby { version } ... on Refusal { message } } }`,
    { input },
  );
  const version = answer[how]?.version;
  if (version === undefined) throw new Error(`not changed: ${JSON.stringify(answer)}`);
  return version;
}

/** A mutation at a replica that stands still is given up, not repeated: nobody knows whether it ran. */
async function untilChanged(): Promise<number> {
  const before = Math.max(...[...watchers.values()].flatMap(({ versions }) => versions));
  let version = before;
  await untilSo('a change', async () => {
    version = await change().catch(() => before);
    return version > before;
  });
  return version;
}

/** Until every watcher has seen this version or a later one; none may have seen anything twice or out of order. */
async function untilSeen(version: number): Promise<void> {
  for (const [name, { versions, endings }] of watchers) {
    const seen = (): string => `${name} saw ${versions.join(' ')}; ${endings.join(' | ')}`;
    await untilSo(`version ${version}`, () => (versions.at(-1) ?? 0) >= version).catch((error: unknown) => {
      throw new Error(seen(), { cause: error });
    });
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
  }
}

function subscribed(): number[] {
  return [...watchers.values()].map(watcher => watcher.subscribed());
}

describeWithBroker(`subscriptions through crashes${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  beforeAll(async () => {
    const dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-subscriptions-'));
    ending.push(() => rm(dataFolder, { recursive: true, force: true }));
    const log = (line: string): unknown => lines.push(line);
    const [broker, estate] = await Promise.all([
      startBroker({ dataFolder, log }),
      startEstate(dataFolder, smallGroup, log),
    ]);
    ending.push(
      () => estate.stop(),
      () => broker.stop(),
    );
    cluster = await startCluster({ dataFolder, brokers: brokersOf(broker), log });
    for (const { name, first } of cluster.members) running.set(name, first);
    ending.push(() => Promise.all([...running.values()].map(each => each.stop())));
    const { url, token = '' } = cluster;
    client = createGatewayClient(url, token);
    ({ standbyId } = await protectEstate(client, { dataFolder, group: estate.group, ports: estate.ports }));
    for (const [name, transport] of Object.entries(transports))
      watchers.set(name, watch({ url, token, query: query.replace('ID', standbyId), field: 'standby' }, transport));
    ending.push(() => Promise.all([...watchers.values()].map(watcher => watcher.stop())));
    await untilSeen(1);
  }, 120_000);

  afterAll(async () => {
    for (const end of ending.toReversed()) await end();
  }, 60_000);

  it('go on by themselves when their service was killed and came back', async () => {
    await untilSeen(await change());
    await kill('shipping');
    await start('shipping');
    await untilSeen(await change());
    expect(subscribed()).toEqual([1, 1]);
  }, 90_000);

  it('come back after the last version when the gateway was killed, and are taken over with their service by its second replica', async () => {
    const [port = 0] = await lastingPorts(1);
    const replica = `http://127.0.0.1:${port}/graphql`;
    // It is ready when it leads.
    const leads = start('shipping', { HOLDFAST_SHIPPING__HTTP__PORT: String(port) });
    const former = running.get('shipping');
    await kill('gateway');
    await start('gateway', { HOLDFAST_GATEWAY__SUBGRAPHS__SHIPPING: `${addressOf('shipping')},${replica}` });
    await untilSeen(await change());
    expect(subscribed().every(times => times > 1)).toBe(true);

    await untilSo('the second replica waits', async () => (await statusAt(replica)) === 503);
    const before = subscribed();
    await former?.kill();
    // Nobody leads at this moment.
    await untilSeen(await change());
    await leads;
    await untilSeen(await change());
    expect(subscribed()).toEqual(before);
    const { standby } = await client.ask<{ standby: { version: number } }>(
      'query ($id: ID!) { standby(id: $id) { version } }',
      { id: standbyId },
    );
    await untilSeen(standby.version);
  }, 90_000);

  itLong(
    'leave a replica that stands still, and hear nothing from it when it wakes',
    async () => {
      const frozen = running.get('shipping');
      const port = new URL(addressOf('shipping')).port;
      const leads = start('shipping', { HOLDFAST_SHIPPING__HTTP__PORT: port });
      await untilSo('a replica waits', async () => (await statusAt(addressOf('shipping'))) === 503);
      const before = subscribed();
      ending.push(async () => frozen?.kill());
      process.kill(frozen?.pid ?? 0, 'SIGSTOP');
      await leads;
      await untilSeen(await untilChanged());
      process.kill(frozen?.pid ?? 0, 'SIGCONT');
      expect((await frozen?.exited)?.code).toBe(1);
      await untilSeen(await untilChanged());
      expect(subscribed()).toEqual(before);
    },
    120_000,
  );
});
