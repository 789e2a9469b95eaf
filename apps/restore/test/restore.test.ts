import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  eventCodec,
  fileCopied,
  groupObserved,
  instanceAddressed,
  recoveryPointJudged,
  setQualified,
  standbyChanged,
  standbyClaimed,
  standbyReleased,
  standbyYielded,
  streamMoved,
} from '@holdfast/events';
import {
  type Bus,
  createConsumer,
  createEmbeddedBus,
  createOutbox,
  createRelay,
  eventLogOf,
  messagingMigrations,
  type MessagingTables,
  on,
} from '@holdfast/messaging';
import { createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { temporaryStore } from '@holdfast/store/testing';
import { observeDatabases, observeMarkLog } from '@holdfast/sqlserver/observe';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { restoreSchema } from '../src/config.ts';
import type { Estate } from '../src/estate/estate.ts';
import { createRestore } from '../src/service.ts';
import {
  databases,
  estate,
  failoverInput,
  groupId,
  manager,
  marks,
  sourceId,
  standbyId,
  standbyInstanceId,
} from './estate-of-two.ts';
import { backUp, createDatabases, mark, open, seed, startTwoServers, type Taken } from './two-servers.ts';

const key = Buffer.from('k'.repeat(32));
const names = databases.map(({ name }) => name);
const closing: (() => Promise<void>)[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** The other three services, as far as restore sees them: they publish `known`, and shipping answers a claim. */
async function othersOn(
  bus: Bus,
  known: Estate,
  servers: { readonly primary: TestServer; readonly standby: TestServer },
) {
  const temporary = await temporaryStore<MessagingTables>([await messagingMigrations()]);
  const { store } = temporary;
  const clock = Date.now;
  const outbox = createOutbox({ service: 'others', codec: eventCodec, clock, newId });
  const publishes = [groupObserved, instanceAddressed, setQualified, standbyChanged];
  await bus.register({
    name: 'others',
    topics: [...new Set(publishes.map(({ topic }) => topic))],
    log: eventLogOf(store),
  });
  const relay = createRelay({ store, bus, service: 'others', publishes, clock });
  await relay.start();
  const released: string[] = [];
  const shipping = createConsumer<MessagingTables>({
    store,
    bus,
    name: 'shipping.test',
    codec: eventCodec,
    clock,
    subscriptions: [
      on(standbyClaimed, (tx, { executionId }) =>
        outbox.append(tx, standbyYielded, { standbyId, groupId, executionId, yieldedAt: new Date().toISOString() }),
      ),
      on(standbyReleased, async (_tx, { outcome }) => void released.push(outcome)),
    ],
  });
  await shipping.start();
  closing.push(async () => {
    await shipping.stop();
    await relay.stop();
    await temporary.remove();
  });
  await store.transaction(async tx => {
    await outbox.append(tx, groupObserved, known.group);
    for (const [instanceId, role] of [
      [sourceId, 'primary'],
      [standbyInstanceId, 'standby'],
    ] as const) {
      const { address } = servers[role];
      const references = { userRef: `env:${role}_USER`, passwordRef: `env:${role}_PASSWORD` };
      await outbox.append(tx, instanceAddressed, {
        instanceId,
        version: 1,
        serverName: role,
        address: { ...address, ...references },
      });
    }
    await outbox.append(tx, standbyChanged, known.standby);
    for (const set of known.sets) await outbox.append(tx, setQualified, set);
    for (const point of known.points) await outbox.append(tx, recoveryPointJudged, point);
    for (const copy of known.copies) await outbox.append(tx, fileCopied, copy);
    for (const stream of known.streams) await outbox.append(tx, streamMoved, stream);
  });
  return { released };
}

async function startRestore(
  bus: Bus,
  servers: { readonly primary: TestServer; readonly standby: TestServer },
): Promise<{ service: Service; url: string }> {
  const env = Object.fromEntries(
    (['primary', 'standby'] as const).flatMap(role => [
      [`${role}_USER`, servers[role].credentials.user],
      [`${role}_PASSWORD`, servers[role].credentials.password],
    ]),
  );
  const config = restoreSchema.parse({
    stateFolder: join(folder, 'state'),
    signingKey: 'env:UNUSED',
    probeTimeoutMs: 2_000,
  });
  const logger = createLogger({ service: 'restore', level: 'silent' });
  const service = createRestore(config, { signingKey: key, logger, bus, env });
  const { url } = await service.start();
  closing.push(() => service.stop());
  return { service, url };
}

function clientOf(url: string) {
  const client = signedClient({ url, key, subgraph: 'restore', caller: manager });
  closing.push(() => client.close());
  return client;
}

/** The estate in memory with what the servers really wrote. */
function withReal(known: Estate, sets: readonly (readonly Taken[])[]): Estate {
  const files = (number: number) => sets[number]!;
  return {
    ...known,
    sets: known.sets.map((set, number) => ({
      ...set,
      files: set.files.map((file, index) => {
        const { path, header, markLsn } = files(number)[index]!;
        const { familyGuid, firstForkGuid, lastForkGuid, backupSetUuid, firstLsn, lastLsn } = header;
        const forks = { firstForkGuid: firstForkGuid ?? lastForkGuid, lastForkGuid };
        return {
          ...file,
          path,
          markLsn,
          header: { ...file.header!, familyGuid, ...forks, backupSetUuid, firstLsn, lastLsn },
        };
      }),
    })),
    points: known.points.map((point, number) => ({
      ...point,
      databases: point.databases.map((database, index) => ({ ...database, lsn: files(number + 1)[index]!.markLsn })),
    })),
    copies: known.copies.map((copy, at) => {
      const { path, header } = sets.flat()[at]!;
      const { backupSetUuid, firstLsn, lastLsn } = header;
      return { ...copy, path, backupSetUuid, firstLsn, lastLsn };
    }),
    streams: known.streams.map((stream, index) => ({ ...stream, position: files(1)[index]!.header.lastLsn })),
  };
}

const startText = `mutation ($input: StartFailoverInput!) { startFailover(input: $input) {
  __typename ... on Execution { id state version groupName steps { name state } } ... on Refusal { message fix } } }`;

const skipped = whyNoTestServer(process.env);
(skipped === undefined ? describe : describe.skip)(
  `a failover over two servers${skipped === undefined ? '' : ` (${skipped})`}`,
  () => {
    it('is refused while the source answers, and recovers every database to the newest mark once it is gone', async () => {
      const servers = await startTwoServers(folder, process.env);
      closing.push(
        () => servers.standby.close(),
        () => servers.primary.close(),
      );
      const source = await open(servers.primary);
      await createDatabases(source, names);
      const sets = [await backUp(source, names, servers.backup, 0, null)];
      for (const [index, name] of marks.entries()) {
        await mark(source, names, name);
        sets.push(await backUp(source, names, servers.backup, index + 1, name));
      }
      await source.close();
      const standby = await open(servers.standby);
      closing.push(() => standby.close());
      await seed(standby, groupId, sets[0]!, sets[1]!);

      const bus = createEmbeddedBus();
      closing.push(() => bus.close());
      const others = await othersOn(bus, withReal(estate(), sets), servers);
      const { url } = await startRestore(bus, servers);
      const client = clientOf(url);
      const start = async (idempotencyKey: string) => {
        const { data, errors } = await client.query(startText, { input: failoverInput({ idempotencyKey }) });
        expect(errors).toBeUndefined();
        return data?.['startFailover'] as { __typename: string; id: string; state: string };
      };
      const known = async () => (await start('early')).__typename;
      // Its projection fills as the events come.
      let first = await known();
      for (
        const limit = Date.now() + 60_000;
        first === 'NotYetKnown' || first === 'NothingRestorable';
        first = await known()
      )
        if (Date.now() > limit) throw new Error(`still ${first}`);
      expect(first).toBe('SourceNotAccountedFor');

      await servers.primary.close();
      const started = await start('late');
      expect(started).toMatchObject({ __typename: 'Execution', state: 'REQUESTED' });
      const states: string[] = [];
      const watch = client.subscribe(
        'subscription ($id: ID!) { execution(id: $id) { state version markName passedPointOfNoReturn actualRecoveryTime dataLoss { atLeast atMost } sources { instanceName outcome by } steps { name state command attempts reasons { code message } } } }',
        { id: started.id },
      );
      let last: Record<string, unknown> = {};
      for await (const { data, errors } of watch) {
        expect(errors).toBeUndefined();
        last = data?.['execution'] as Record<string, unknown>;
        states.push(String(last['state']));
        if (['COMPLETED', 'FAILED'].includes(String(last['state']))) break;
      }
      expect(last).toMatchObject({
        state: 'COMPLETED',
        markName: marks[2],
        passedPointOfNoReturn: true,
        actualRecoveryTime: expect.stringMatching(/^PT/),
        dataLoss: { atLeast: 'PT0S' },
        sources: [{ instanceName: 'PRIMARY', outcome: 'DECLARED_UNREACHABLE', by: 'alex' }],
      });
      expect((last['steps'] as { state: string }[]).map(({ state }) => state)).toEqual(
        Array.from({ length: 11 }, () => 'SUCCEEDED'),
      );
      const { databases: found } = await observeDatabases(standby);
      for (const name of names) {
        expect(found.find(database => database.name === name)).toMatchObject({ state: 'ONLINE' });
        expect(await observeMarkLog(standby, { database: name, mark: marks[2] as never })).toMatchObject({
          holdsMark: true,
          newest: marks.toReversed(),
        });
      }
      const seenBy = Date.now() + 30_000;
      while (others.released.length === 0 && Date.now() < seenBy) await new Promise(resolve => setImmediate(resolve));
      expect(others.released).toEqual(['RECOVERED']);

      const { data } = await client.query(
        `query ($of: [_Any!]!) { executions { nodes { id state group { id } } pageInfo { hasNextPage } }
      _entities(representations: $of) { ... on BizTalkGroup { currentExecution { id } executions(first: 1) { nodes { id kind mode } } } } }`,
        { of: [{ __typename: 'BizTalkGroup', id: groupId }] },
      );
      expect(data).toEqual({
        executions: {
          nodes: [{ id: started.id, state: 'COMPLETED', group: { id: groupId } }],
          pageInfo: { hasNextPage: false },
        },
        _entities: [
          { currentExecution: null, executions: { nodes: [{ id: started.id, kind: 'FAILOVER', mode: 'UNPLANNED' }] } },
        ],
      });
    }, 180_000);
  },
);

describe('the subgraph', () => {
  it('answers with named refusals, and hides executions that are not there', async () => {
    const bus = createEmbeddedBus();
    closing.push(() => bus.close());
    const nobody = { credentials: { user: 'u', password: 'p' } } as TestServer;
    const { url } = await startRestore(bus, { primary: nobody, standby: nobody });
    const client = clientOf(url);
    const { data } = await client.query(startText, { input: failoverInput() });
    expect(data).toMatchObject({ startFailover: { __typename: 'NotYetKnown', fix: expect.any(String) } });
    const planned = await client.query(startText, { input: failoverInput({ mode: 'PLANNED' }) });
    expect(planned.data).toMatchObject({ startFailover: { __typename: 'ExecutionModeNotAvailable' } });
    const both = await client.query(startText, { input: failoverInput({ target: { newest: true, mark: marks[0]! } }) });
    expect(both.errors?.[0]?.message).toContain('Exactly one key');
    expect((await client.query('query ($id: ID!) { execution(id: $id) { id } }', { id: groupId })).data).toEqual({
      execution: null,
    });
    const live = client.subscribe('subscription ($id: ID!) { execution(id: $id) { id } }', { id: groupId });
    expect((await live.next()).value?.errors?.[0]).toMatchObject({ extensions: { code: 'NOT_FOUND' } });
  });
});
