import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  fileCopied,
  groupObserved,
  instanceAddressed,
  recoveryPointJudged,
  setQualified,
  sqlInstanceRegistered,
  standbyChanged,
  standbyClaimed,
  standbyReleased,
  standbyYielded,
  streamMoved,
} from '@holdfast/events';
import { type Bus, createEmbeddedBus } from '@holdfast/messaging';
import { type Caller, createLogger, discoveredId, newId, type Service } from '@holdfast/service';
import type { SpanExporter } from '@holdfast/service/tracing';
import { type GraphqlAnswer, signedClient } from '@holdfast/service/testing';
import { openExclusive } from '@holdfast/sqlserver';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace';
import { shippingSchema } from '../src/config.ts';
import { createShipping } from '../src/service.ts';
import type { SetPayload } from './estate.ts';
import { patienceMs, startOthers, until } from './publisher.ts';
import { positionAt, startEstate } from './source.ts';

// Two real servers would have to share folders that only their operator knows: this suite makes its own.
const reason = process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'needs the stand-in';
const suite = reason === undefined ? describe : describe.skip;

const key = Buffer.from('k'.repeat(32));
const operator: Caller = { sub: 'test', roles: ['operator'], groups: ['*'] };
const names = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb'];
const times = (count: number) => Array.from({ length: count }, (_, index) => index);
const primaryId = discoveredId('instance', 'PRIMARY\\BTS');
const standbyInstanceId = discoveredId('instance', 'STANDBY\\BTS');

jest.setTimeout(patienceMs);

suite(`shipping between two instances${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let estate: Awaited<ReturnType<typeof startEstate>>;
  let others: Awaited<ReturnType<typeof startOthers>>;
  let bus: Bus;
  let stateFolder: string;
  let service: Service;
  let url: string;
  let standbyId: string;

  /** Every step fails once at each of these, the first time it comes there. */
  const injuries = new Set([
    'copy/copy/hashed',
    'copy/copy/acted',
    'copy/verify/acted',
    'stream/restore_full/sending',
    'stream/restore_full/acted',
    'stream/restore_log/sending',
    'stream/restore_log/acted',
    'stream/yield/acted',
  ]);
  const traces = { create: '1'.repeat(32), pause: '2'.repeat(32), resume: '3'.repeat(32) };
  const spans = new InMemorySpanExporter();
  // It outlives each start of the service.
  const spanExporter: SpanExporter = {
    export: (ended, done) => spans.export(ended, done),
    shutdown: async () => undefined,
  };
  const hook = (checkpoint: string): void => {
    if (injuries.delete(checkpoint)) throw new Error(`injured at ${checkpoint}`);
  };
  const start = async (): Promise<void> => {
    const config = shippingSchema.parse({ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 1 });
    const { user: USER, password: PASSWORD } = estate.standby.credentials;
    const logger = createLogger({ service: 'shipping', level: 'silent' });
    service = createShipping(config, { signingKey: key, logger, bus, env: { USER, PASSWORD }, hook, spanExporter });
    ({ url } = await service.start());
  };
  const ask = async (
    text: string,
    variables: Record<string, unknown> = {},
    caller = operator,
    trace?: string,
  ): Promise<GraphqlAnswer> => {
    const traceparent = trace === undefined ? {} : { traceparent: `00-${trace}-${'a'.repeat(16)}-01` };
    const client = signedClient({ url, key, subgraph: 'shipping', caller, ...traceparent });
    try {
      return await client.query(text, variables);
    } finally {
      await client.close();
    }
  };
  const folder = () => ({
    source: 'D:\\Backup',
    sourceInstance: 'primary\\bts',
    read: estate.backups,
    write: estate.copies,
    standby: 'E:\\Copies',
  });
  const elsewhere = (changes: Partial<ReturnType<typeof folder>>) => {
    const transfer = { kind: 'COPY', folders: [{ ...folder(), ...changes }] };
    return { instances: [{ instanceId: standbyInstanceId, sourceInstances: ['PRIMARY\\BTS'], transfer }] };
  };
  const create = async (changes: Record<string, unknown> = {}): Promise<Record<string, unknown>> => {
    const transfer = { kind: 'COPY', folders: [folder()] };
    const input = {
      idempotencyKey: 'one',
      groupId: estate.groupId,
      site: 'Cork',
      instances: [{ instanceId: standbyInstanceId, sourceInstances: ['PRIMARY\\BTS'], transfer }],
      ...changes,
    };
    const answer = await ask(
      `mutation ($input: CreateStandbyInput!) { createStandby(input: $input) { __typename
        ... on Standby { id state } ... on StandbyPreflight { findings { code } bytesToSeed }
        ... on Refusal { message fix } } }`,
      { input },
      operator,
      traces.create,
    );
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data?.['createStandby'] as Record<string, unknown>;
  };
  /** As the backup service would: the set, and for a log set its mark. */
  const publish = async (set: SetPayload): Promise<SetPayload> => {
    await others.publish(setQualified, set);
    if (set.markName !== null)
      await others.publish(recoveryPointJudged, {
        recoveryPointId: discoveredId('recovery-point', set.groupId, set.markName),
        groupId: set.groupId,
        setId: set.setId,
        version: 1,
        markName: set.markName,
        markedAt: set.startedAt,
        verdict: 'SOUND',
        reasons: [],
        databases: [],
      });
    return set;
  };
  type Seen = {
    state: string;
    version: number;
    newestCommonMarkName: string | null;
    agreement: { agrees: boolean | null; differences: { code: string }[]; cheapestRepair: { code: string } | null };
    reasons: { code: string; message: string; evidence: string | null }[];
    instances: { lastRestoredSet: { id: string } | null }[];
    streams: {
      databaseName: string;
      state: string;
      position: string | null;
      lag: string | null;
      copying: unknown;
      heldBack: { id: string } | null;
      lastRestoredSet: { id: string } | null;
    }[];
  };
  const seen = async (): Promise<Seen> => {
    const fields = `state version lag newestCommonMarkName reasons { code message evidence } agreement { agrees differences { code } cheapestRepair { code } }
      instances { instanceName lastRestoredSet { id } }
      streams { databaseName state position lag copying { file done total } heldBack { id } lastRestoredSet { id } }`;
    const answer = await ask(`query ($id: ID!) { standby(id: $id) { ${fields} } }`, { id: standbyId });
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data?.['standby'] as Seen;
  };
  /** In sync, and every database rests before the log that holds the mark. */
  const at = (mark: string) =>
    until(`in sync at ${mark}`, async () => {
      const standby = await seen();
      const rests = standby.streams.every(({ heldBack }) => heldBack !== null);
      return rests && standby.state === 'IN_SYNC' && standby.newestCommonMarkName === mark ? standby : undefined;
    });

  beforeAll(async () => {
    estate = await startEstate(names);
    stateFolder = mkdtempSync(join(tmpdir(), 'holdfast-shipping-state-'));
    bus = createEmbeddedBus();
    others = await startOthers(
      bus,
      [
        groupObserved,
        instanceAddressed,
        sqlInstanceRegistered,
        setQualified,
        recoveryPointJudged,
        standbyClaimed,
        standbyReleased,
      ],
      [standbyChanged, fileCopied, streamMoved, standbyYielded],
    );
    await start();
    const { address } = estate.standby;
    await others.publish(sqlInstanceRegistered, {
      instanceId: standbyInstanceId,
      version: 1,
      name: 'standby',
      serverName: 'STANDBY\\BTS',
      site: 'Cork',
      productVersion: '16.0.1000.6',
    });
    await others.publish(instanceAddressed, {
      instanceId: standbyInstanceId,
      version: 1,
      serverName: 'STANDBY\\BTS',
      address: { ...address, userRef: 'env:USER', passwordRef: 'env:PASSWORD' },
    });
  });

  afterAll(async () => {
    await service.stop();
    await others.stop();
    await bus.close();
    await estate.close();
    rmSync(stateFolder, { recursive: true, force: true });
  });

  const taken = `query ($of: [_Any!]!) { _entities(representations: $of) { ... on BizTalkGroup { rpo { taken { markName } restorable { markName } } } } }`;

  it('refuses a standby of a group it has not heard of', async () => {
    expect(await create()).toMatchObject({ __typename: 'NotYetKnown' });
  });

  it('checks without changing anything, then creates it once for one key', async () => {
    await others.publish(groupObserved, {
      groupId: estate.groupId,
      version: 1,
      name: 'Orders',
      site: 'Dublin',
      observedAt: new Date().toISOString(),
      managementDatabaseId: discoveredId('database', names[0]!),
      instances: [
        { instanceId: primaryId, name: 'PRIMARY\\BTS', serverName: 'PRIMARY\\BTS', productVersion: '16.0.1' },
      ],
      databases: names.map(name => ({
        databaseId: discoveredId('database', name),
        name,
        role: 'OTHER' as const,
        instanceId: primaryId,
        inBackupJob: true,
        state: 'ONLINE',
        recoveryModel: 'FULL',
      })),
    });
    await publish(await estate.take('FULL'));
    // As an administrator prepares a standby instance.
    await estate.setInDoubt(2);
    const preflight = await until('preflight', async () => {
      const answer = await create({ dryRun: true });
      return answer['__typename'] === 'StandbyPreflight' && answer['bytesToSeed'] !== '0' ? answer : undefined;
    });
    expect(preflight).toMatchObject({ findings: [] });
    expect(await create({ dryRun: true, restAtMark: true })).toMatchObject({
      findings: [{ code: 'REST_AT_MARK_UNSEEN' }],
    });
    expect(await create({ dryRun: true, ...elsewhere({ read: join(estate.backups, 'gone') }) })).toMatchObject({
      findings: [{ code: 'SHARE_UNREACHABLE' }],
    });
    expect(await create(elsewhere({ standby: 'E:\\Copies\\below' }))).toMatchObject({ __typename: 'InvalidInput' });
    expect(readdirSync(estate.copies)).toEqual([]);
    expect((await ask('{ standbys { id } }')).data).toEqual({ standbys: [] });

    // The same request twenty times at once, and as often another one under the same key.
    const answers = await Promise.all(times(20).flatMap(() => [create(), create({ site: 'Galway' })]));
    const [created] = answers.filter(answer => answer['__typename'] === 'Standby');
    const kinds = answers.map(answer => answer['__typename']);
    expect(kinds.filter(kind => kind === 'Standby')).toHaveLength(20);
    expect(kinds.filter(kind => kind === 'IdempotencyKeyReused')).toHaveLength(20);
    expect(new Set(answers.map(({ id }) => id).filter(id => id !== undefined)).size).toBe(1);
    standbyId = created?.['id'] as string;
    expect((await ask('{ standbys { id site } }')).data).toMatchObject({ standbys: [{ id: standbyId }] });
  });

  it('answers the same under the same key later, and names what is wrong with another request', async () => {
    const { data } = await ask('{ standbys { id site } }');
    const [{ site }] = data?.['standbys'] as [{ site: string }];
    expect(await create({ site })).toMatchObject({ __typename: 'Standby', id: standbyId });
    expect(await create({ site: 'Sligo' })).toMatchObject({ __typename: 'IdempotencyKeyReused' });
    expect(await create({ idempotencyKey: 'two' })).toMatchObject({ __typename: 'InvalidInput' });
    expect(await create({ idempotencyKey: 'two', dryRun: true })).toMatchObject({ __typename: 'InvalidInput' });
    const more = await Promise.all(times(20).map(index => create({ idempotencyKey: `more ${String(index)}` })));
    expect(new Set(more.map(answer => answer['__typename']))).toEqual(new Set(['InvalidInput']));
  });

  it('copies the full and waits for a log set', async () => {
    const copied = await until('copies', () =>
      others.heard(fileCopied).length === 2 ? others.heard(fileCopied) : undefined,
    );
    for (const { path, sha256 } of copied)
      expect([path, sha256]).toEqual([expect.stringMatching(/^E:\\Copies\\/), expect.any(String)]);
    for (const file of readdirSync(estate.copies))
      expect(readFileSync(join(estate.copies, file)).equals(readFileSync(join(estate.backups, file)))).toBe(true);
    const undecided = { agrees: null, differences: [], cheapestRepair: null };
    expect(await seen()).toMatchObject({ state: 'SEEDING', newestCommonMarkName: null, agreement: undecided });
    expect(await positionAt(estate.target, names[0]!)).toBeNull();
  });

  it('seeds once the log set is whole, and holds that log back', async () => {
    const log = await publish(await estate.take('LOG'));
    const standby = await at(log.markName!);
    for (const stream of standby.streams) {
      const first = log.files.find(({ databaseName }) => databaseName === stream.databaseName)!;
      expect(stream.heldBack).toEqual({ id: log.setId });
      expect(BigInt(stream.position!)).toBeLessThanOrEqual(BigInt(first.markLsn!));
      expect(await positionAt(estate.target, stream.databaseName)).toBe(stream.position);
    }
  });

  it('applies it when the next set is whole for every database, not before', async () => {
    const [before, next] = [await seen(), await estate.take('LOG')];
    const [first, second] = next.files as [SetPayload['files'][number], SetPayload['files'][number]];
    const hidden = join(estate.backups, second.path.slice('D:\\Backup\\'.length));
    const content = readFileSync(hidden);
    writeFileSync(hidden, content.subarray(0, content.length - 100));
    await publish(next);
    await until('one of two copied', () => others.heard(fileCopied).find(({ fileId }) => fileId === first.fileId));
    const stuck = await until('why', async () => {
      const standby = await seen();
      return standby.reasons.some(({ code }) => code === 'SOURCE_FILE_DAMAGED') ? standby : undefined;
    });
    expect(stuck.reasons.find(({ code }) => code === 'SOURCE_FILE_DAMAGED')).toMatchObject({
      message: expect.stringContaining(`${second.databaseName} in set ${next.number}`),
      evidence: expect.stringContaining(second.path),
    });
    expect(stuck.streams.map(({ position }) => position)).toEqual(before.streams.map(({ position }) => position));
    writeFileSync(hidden, content);
    const standby = await at(next.markName!);
    const log = standby.streams.map(({ position }) => BigInt(position!));
    expect(log.every((position, index) => position > BigInt(before.streams[index]!.position!))).toBe(true);
    expect(log.every((position, index) => position <= BigInt(next.files[index]!.markLsn!))).toBe(true);
  });

  it('answers the portal and the subscription', async () => {
    const { newestCommonMarkName: mark, agreement, instances, streams } = await seen();
    expect(instances.map(one => one.lastRestoredSet)).toEqual([streams[0]!.lastRestoredSet]);
    expect(streams.map(({ lag, copying }) => [lag, copying])).toEqual([
      ['PT0S', null],
      ['PT0S', null],
    ]);
    expect(agreement).toEqual({ agrees: true, differences: [], cheapestRepair: null });
    const pointId = discoveredId('recovery-point', estate.groupId, mark!);
    const entities = `query ($of: [_Any!]!) { _entities(representations: $of) {
      ... on BizTalkGroup { standbys { id } rpo { taken { markName } shipped { markName } restorable { markName } proven { markName reason { code } } } }
      ... on RecoveryPoint { shippedTo { id } restorableOn { id } } } }`;
    const of = [
      { __typename: 'BizTalkGroup', id: estate.groupId },
      { __typename: 'RecoveryPoint', id: pointId },
    ];
    const here = [{ id: standbyId }];
    expect((await ask(entities, { of })).data).toEqual({
      _entities: [
        {
          standbys: here,
          rpo: {
            taken: { markName: mark },
            shipped: { markName: mark },
            restorable: { markName: mark },
            proven: { markName: null, reason: { code: 'NO_DRILL_YET' } },
          },
        },
        { shippedTo: here, restorableOn: here },
      ],
    });
    const elsewhere = { ...operator, groups: [] };
    expect((await ask('query ($id: ID!) { standby(id: $id) { id } }', { id: standbyId }, elsewhere)).data).toEqual({
      standby: null,
    });
    const client = signedClient({ url, key, subgraph: 'shipping', caller: operator });
    const feed = client.subscribe('subscription ($id: ID!) { standby(id: $id) { id state } }', { id: standbyId });
    expect((await feed.next()).value).toMatchObject({ data: { standby: { id: standbyId, state: 'IN_SYNC' } } });
    await feed.return();
    await client.close();
  });

  it('rests while it is paused, over a restart, and goes on when it is resumed', async () => {
    const change = async (mutation: string, trace?: string) => {
      const { data, errors } = await ask(
        `mutation ($id: ID!) { change: ${mutation} {
        __typename ... on Standby { state pause { reason by } } ... on InvalidInput { field } } }`,
        { id: standbyId },
        operator,
        trace,
      );
      if (errors !== undefined) throw new Error(JSON.stringify(errors));
      return data?.['change'];
    };
    const [first] = (await seen()).streams;
    const client = signedClient({ url, key, subgraph: 'shipping', caller: operator });
    const news = client.subscribe('subscription ($id: ID!) { standby(id: $id) { state streams { state } } }', {
      id: standbyId,
    });
    const told = async () => (await news.next()).value?.data?.['standby'];
    const states = (state: string) => ({ state, streams: [{ state }, { state }] });
    expect(await told()).toEqual(states('IN_SYNC'));
    expect(await change('pauseStandby(input: { standbyId: $id, reason: "patch day" })', traces.pause)).toEqual({
      __typename: 'Standby',
      state: 'PAUSED',
      pause: { reason: 'patch day', by: 'test' },
    });
    // What lies below is as new as the standby itself; and the feed does not wait for news when its client has gone.
    expect(await told()).toEqual(states('PAUSED'));
    await news.return();
    await client.close();
    await service.stop();
    const log = await estate.take('LOG');
    await start();
    await publish(log);
    await until('heard', async () => {
      const rpo = await ask(taken, { of: [{ __typename: 'BizTalkGroup', id: estate.groupId }] });
      return JSON.stringify(rpo.data).includes(log.markName!) ? rpo : undefined;
    });
    expect(await seen()).toMatchObject({ state: 'PAUSED', reasons: [{ code: 'PAUSED' }] });
    expect(others.heard(fileCopied).some(({ setId }) => setId === log.setId)).toBe(false);
    expect(await positionAt(estate.target, first!.databaseName)).toBe(first!.position);
    const preview = `reseedStandby(input: { standbyId: $id, idempotencyKey: "r", reason: "try", confirm: "Orders", dryRun: true })`;
    expect(await change(preview)).toEqual({ __typename: 'InvalidInput', field: 'standbyId' });
    expect(await change('resumeStandby(input: { standbyId: $id })', traces.resume)).toMatchObject({
      __typename: 'Standby',
      pause: null,
    });
    await at(log.markName!);
    expect(await change(preview)).toEqual({ __typename: 'StandbyReseedPreview' });
  });

  it('yields when claimed, stays so over a restart, and leaves the server alone', async () => {
    const executionId = newId();
    const claim = { executionId, groupId: estate.groupId, standbyId, claimedAt: new Date().toISOString() };
    await others.publish(standbyClaimed, claim);
    await until('yielded', () => others.heard(standbyYielded).find(event => event.executionId === executionId));
    expect(others.heard(standbyChanged).at(-1)).toMatchObject({ state: 'YIELDED', yieldedTo: executionId });
    const restore = await openExclusive(estate.target, {
      group: estate.groupId,
      fencingToken: '1',
      purpose: { service: 'restore', operation: 'test' },
      waitMs: 1_000,
    });
    if ('refused' in restore) throw new Error(restore.message);

    const before = (await seen()).streams.map(({ position }) => position);
    await service.stop();
    await start();
    await publish(await estate.take('LOG'));
    const later = await publish(await estate.take('LOG'));
    await until('heard', async () => {
      const rpo = await ask(taken, { of: [{ __typename: 'BizTalkGroup', id: estate.groupId }] });
      return JSON.stringify(rpo.data).includes(later.markName!) ? rpo : undefined;
    });
    expect(await seen()).toMatchObject({ state: 'YIELDED' });
    expect(others.heard(fileCopied).some(({ setId }) => setId === later.setId)).toBe(false);
    expect(await Promise.all(names.map(name => positionAt(estate.target, name)))).toEqual(before);
    await restore.release();

    await others.publish(standbyReleased, { ...claim, outcome: 'RETURNED', releasedAt: claim.claimedAt });
    await at(later.markName!);
  });

  it('is over once it was recovered', async () => {
    const executionId = newId();
    const claim = { executionId, groupId: estate.groupId, standbyId, claimedAt: new Date().toISOString() };
    // Nobody waits for who paused it.
    await ask('mutation ($id: ID!) { pauseStandby(input: { standbyId: $id, reason: "storm" }) { __typename } }', {
      id: standbyId,
    });
    await others.publish(standbyClaimed, claim);
    await until('yielded', () => others.heard(standbyYielded).find(event => event.executionId === executionId));
    expect((await seen()).state).toBe('YIELDED');
    await others.publish(standbyReleased, { ...claim, outcome: 'RECOVERED', releasedAt: claim.claimedAt });
    await until('recovered', async () => ((await seen()).state === 'RECOVERED' ? true : undefined));
    expect((await seen()).streams.map(({ state }) => state)).toEqual(['RECOVERED', 'RECOVERED']);
  });

  it('went on in the trace of who asked for it', () => {
    const namesIn = (trace: string) =>
      spans.getFinishedSpans().flatMap(span => (span.spanContext().traceId === trace ? [span.name] : []));
    for (const [asked, steps] of [
      ['create', ['mutation createStandby', 'copy/copy', 'copy/verify', 'stream/restore_full', 'stream/note']],
      ['pause', ['mutation pauseStandby', 'stream/pause']],
      ['resume', ['mutation resumeStandby', 'stream/note']],
    ] as const)
      expect(namesIn(traces[asked])).toEqual(expect.arrayContaining([...steps]));
    // What follows has causes of its own.
    expect(namesIn(traces.create)).not.toContain('stream/restore_log');
    expect(namesIn(traces.resume)).not.toContain('stream/yield');
  });

  it('did all this although each kind of step had failed once', () => {
    expect([...injuries]).toEqual([]);
  });
});
