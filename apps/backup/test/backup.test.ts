import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { type Caller, createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { backupSchema } from '../src/config.ts';
import { createBackup } from '../src/service.ts';
import { databaseIds, groupId } from './ledger.ts';
import { startOthers } from './others.ts';
import { type Source, startSource } from './source.ts';

const reason = whyNoTestServer(process.env);
const suite = reason === undefined ? describe : describe.skip;
const key = Buffer.from('k'.repeat(32));
const everywhere: Caller = { sub: 'test', roles: ['viewer'], groups: ['*'] };
const [firstMark, secondMark, lostMark] = ['100', '200', '300'].map(ms => `BTS_2026_11_21_04_00_00_${ms}`) as [
  string,
  string,
  string,
];

suite(`the backup service at a source${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let source: Source;
  let service: Service;
  let url: string;

  async function ask<Data>(text: string, variables: Record<string, unknown> = {}, caller = everywhere): Promise<Data> {
    const client = signedClient({ url, key, subgraph: 'backup', caller });
    const answer = await client.query(text, variables).finally(() => client.close());
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data as Data;
  }
  /** Asks until the answer is as wanted; the test's own time limit ends it. */
  async function until<Data>(wanted: (data: Data) => boolean, ...question: Parameters<typeof ask>): Promise<Data> {
    for (;;) {
      const data = await ask<Data>(...question);
      if (wanted(data)) return data;
      await pause(50);
    }
  }

  beforeAll(async () => {
    source = await startSource(process.env);
    closers.push(() => source.close());
    await source.fullSet(1);
    await source.logSet(2, firstMark);
    const bus = createEmbeddedBus();
    closers.push(() => bus.close());
    const others = await startOthers(bus, { group: source.group, addresses: [source.address] });
    closers.push(() => others.stop());
    const stateFolder = mkdtempSync(join(tmpdir(), 'holdfast-backup-'));
    closers.push(async () => rmSync(stateFolder, { recursive: true, force: true }));
    const config = backupSchema.parse({ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 0.3 });
    service = createBackup(config, {
      signingKey: key,
      bus,
      env: source.env,
      logger: createLogger({ service: 'backup', level: 'silent' }),
    });
    closers.push(() => service.stop());
    ({ url } = await service.start());
  }, 60_000);

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  }, 60_000);

  type Points = { recoveryPoints: { nodes: { markName: string; verdict: string }[] } | null };
  const points = `query ($groupId: ID!, $verdict: RecoveryVerdict) {
    recoveryPoints(groupId: $groupId, verdict: $verdict) { nodes { markName verdict reasons { code } } }
  }`;
  const newest = ({ recoveryPoints }: Points) => recoveryPoints?.nodes[0];

  it('proves a mark by headers and mark history', async () => {
    await until<Points>(data => newest(data)?.verdict === 'SOUND', points, { groupId });
    type Node = Record<string, unknown> & { observation: { freshness: string } };
    // On a busy machine a look may come late once.
    const { recoveryPoints } = await until<{ recoveryPoints: { nodes: Node[] } }>(
      data => data.recoveryPoints.nodes[0]?.observation.freshness === 'FRESH',
      `query ($groupId: ID!) { recoveryPoints(groupId: $groupId) { nodes {
        markName markedAt verdict reasons { code } observation { freshness error } group { id }
        databases { databaseName lsn markProven verdict database { id } file { firstLsn lastLsn markLsn position backupSetUuid } }
        set { number type state startedAt timeBasis reasons { code } size files { path state checkedAt reasons { code } } }
      } } }`,
      { groupId },
    );
    const point = recoveryPoints.nodes[0]!;
    const databases = point['databases'] as { lsn: string; file: { firstLsn: string; lastLsn: string } }[];
    expect(point).toMatchObject({
      markName: firstMark,
      verdict: 'SOUND',
      reasons: [],
      observation: { freshness: 'FRESH', error: null },
      group: { id: groupId },
      set: { number: '2', type: 'LOG', state: 'VERIFIED', reasons: [] },
    });
    expect(Math.abs(Date.parse(String(point['markedAt'])) - Date.now())).toBeLessThan(300_000);
    expect(databases.map(database => database)).toMatchObject(
      source.group.databases.map(({ name }, index) => ({
        databaseName: name,
        markProven: true,
        verdict: 'SOUND',
        database: { id: Object.values(databaseIds)[index] },
        file: { position: 1 },
      })),
    );
    for (const { lsn, file } of databases) {
      expect(BigInt(file.firstLsn) <= BigInt(lsn) && BigInt(lsn) < BigInt(file.lastLsn)).toBe(true);
    }
  });

  it('sees the next set without being told', async () => {
    await source.logSet(3, secondMark);
    const data = await until<Points>(
      data => newest(data)?.markName === secondMark && newest(data)?.verdict === 'SOUND',
      points,
      { groupId },
    );
    expect(data.recoveryPoints?.nodes.map(({ markName }) => markName)).toEqual([secondMark, firstMark]);
  });

  it('finds that a file was cut off after it was proven, and that it is whole again', async () => {
    // The files of a real server are not ours to cut.
    if (source.server.real) return;
    const name = source.group.databases[1]!.name;
    const file = join(source.folder, 'share', `${name}_3.bak`);
    const whole = await readFile(file);
    const client = signedClient({ url, key, subgraph: 'backup', caller: everywhere });
    const feed = `subscription ($groupId: ID!, $after: String) { recoveryPoints(groupId: $groupId, after: $after) {
      cursor recoveryPoint { markName verdict set { state } }
    } }`;
    type Update = { cursor: string; recoveryPoint: { markName: string; verdict: string; set: { state: string } } };
    const news = client.subscribe(feed, { groupId });
    const next = async () => {
      const event = await news.next();
      return (event.value as { data: { recoveryPoints: Update } }).data.recoveryPoints;
    };
    const [firstNews, secondNews] = [await next(), await next()];
    expect([firstNews, secondNews].map(({ recoveryPoint: { markName, verdict } }) => [markName, verdict])).toEqual([
      [firstMark, 'SOUND'],
      [secondMark, 'SOUND'],
    ]);
    await truncate(file, whole.length - 100);
    type Point = { verdict: string; reasons: { code: string; evidence: string }[] } & Record<string, unknown>;
    const question = `query ($groupId: ID!) { recoveryPoints(groupId: $groupId) { nodes {
      markName verdict reasons { code evidence } set { state }
      databases { databaseName verdict base { path } chain { path } }
    } } }`;
    const cut = await until<{ recoveryPoints: { nodes: Point[] } }>(
      data => data.recoveryPoints.nodes[0]?.verdict === 'BROKEN',
      question,
      { groupId },
    );
    const end = (number: number, database: string) => ({
      path: expect.stringMatching(`${database}_${String(number)}.bak$`),
    });
    const [first] = source.group.databases;
    expect(cut.recoveryPoints.nodes).toMatchObject([
      {
        markName: secondMark,
        reasons: [{ code: 'FILE_DAMAGED', evidence: expect.stringContaining(`${name}_3.bak`) }],
        set: { state: 'SUSPECT' },
        databases: [
          {
            databaseName: first!.name,
            verdict: 'SOUND',
            base: end(1, first!.name),
            chain: [end(2, first!.name), end(3, first!.name)],
          },
          { databaseName: name, verdict: 'BROKEN', base: end(1, name), chain: [end(2, name)] },
        ],
      },
      { markName: firstMark, verdict: 'SOUND', reasons: [] },
    ]);
    // Only the point that became different, with its set as it is by now.
    const third = await next();
    expect(third.recoveryPoint).toEqual({ markName: secondMark, verdict: 'BROKEN', set: { state: 'SUSPECT' } });
    await writeFile(file, whole);
    expect((await next()).recoveryPoint).toMatchObject({ markName: secondMark, verdict: 'SOUND' });
    // Who comes back with a cursor is told what became different since, once.
    const again = client.subscribe(feed, { groupId, after: secondNews.cursor });
    const { value } = await again.next();
    expect(value).toMatchObject({
      data: { recoveryPoints: { recoveryPoint: { markName: secondMark, verdict: 'SOUND' } } },
    });
    const wrong = client.subscribe(feed, { groupId, after: 'x' });
    const refused = (extensions: object) => ({ value: { errors: [{ extensions }] } });
    expect(await wrong.next()).toMatchObject(refused({ code: 'BAD_USER_INPUT', field: 'after' }));
    const unknown = client.subscribe(feed, { groupId: newId() });
    expect(await unknown.next()).toMatchObject(refused({ code: 'NOT_FOUND' }));
    await client.close();
  });

  it('does not believe a row without a file', async () => {
    await source.logSet(4, lostMark, [source.group.databases[1]!.name]);
    await until<Points>(data => newest(data)?.verdict === 'BROKEN', points, { groupId });
    const { _entities } = await ask<{ _entities: unknown[] }>(
      `query ($of: [_Any!]!) { _entities(representations: $of) { ... on BizTalkGroup {
        latestRecoveryPoint { markName verdict }
        backupSets(first: 2) { nodes { number state reasons { code } files { state } } pageInfo { hasNextPage } }
        whole: backupSets(state: VERIFIED) { nodes { number } }
      } } }`,
      { of: [{ __typename: 'BizTalkGroup', id: groupId }] },
    );
    expect(_entities).toEqual([
      {
        latestRecoveryPoint: { markName: lostMark, verdict: 'BROKEN' },
        backupSets: {
          nodes: [
            {
              number: '4',
              state: 'SUSPECT',
              reasons: [{ code: 'FILE_MISSING' }],
              files: [{ state: 'VERIFIED' }, { state: 'MISSING' }],
            },
            { number: '3', state: 'VERIFIED', reasons: [], files: [{ state: 'VERIFIED' }, { state: 'VERIFIED' }] },
          ],
          pageInfo: { hasNextPage: true },
        },
        whole: { nodes: [{ number: '3' }, { number: '2' }, { number: '1' }] },
      },
    ]);
  });

  it('shows nothing to who may not see the group', async () => {
    const stranger = { ...everywhere, groups: [newId()] };
    expect(await ask(points, { groupId }, stranger)).toEqual({ recoveryPoints: null });
    const set = await ask<{ recoveryPoints: { nodes: { set: { id: string } }[] } }>(
      'query ($groupId: ID!) { recoveryPoints(groupId: $groupId) { nodes { set { id } } } }',
      { groupId },
    );
    const id = set.recoveryPoints.nodes[0]!.set.id;
    const one = 'query ($id: ID!) { backupSet(id: $id) { number } }';
    expect(await ask(one, { id })).toEqual({ backupSet: { number: '4' } });
    expect(await ask(one, { id }, stranger)).toEqual({ backupSet: null });
  });

  it('follows a history whose numbers began anew, into files that hold older backups', async () => {
    await source.forgetHistory();
    await source.fullSet(1);
    const sets = `query ($of: [_Any!]!) { _entities(representations: $of) { ... on BizTalkGroup {
      backupSets { nodes { number state files { position } } }
    } } }`;
    type Sets = { _entities: [{ backupSets: { nodes: { number: string; state: string; files: unknown[] }[] } }] };
    const { _entities } = await until<Sets>(
      data => data._entities[0].backupSets.nodes.filter(({ state }) => state === 'VERIFIED').length === 1,
      sets,
      { of: [{ __typename: 'BizTalkGroup', id: groupId }] },
    );
    expect(_entities[0].backupSets.nodes.map(({ number, state, files }) => [number, state, files[0]])).toEqual([
      ['4', 'PURGED', { position: 1 }],
      ['3', 'PURGED', { position: 1 }],
      ['2', 'PURGED', { position: 1 }],
      ['1', 'VERIFIED', { position: 2 }],
      ['1', 'PURGED', { position: 1 }],
    ]);
  });

  // A real server is not ours to end. Last, for nothing answers afterwards.
  it('ages when the source is gone, and then vouches for nothing', async () => {
    if (source.server.real) return;
    await source.server.close();
    await until<Points>(({ recoveryPoints }) => recoveryPoints?.nodes[1]?.verdict === 'UNKNOWN', points, { groupId });
    const { recoveryPoints } = await ask<{ recoveryPoints: { nodes: unknown[] } }>(
      `query ($groupId: ID!) { recoveryPoints(groupId: $groupId, verdict: UNKNOWN) { nodes {
        markName reasons { code } observation { freshness error } set { state }
      } } }`,
      { groupId },
    );
    const unknown = (markName: string) => ({
      markName,
      reasons: [{ code: 'SOURCE_NOT_OBSERVED' }],
      observation: { freshness: 'EXPIRED', error: expect.stringContaining('lost') },
      set: { state: 'PURGED' },
    });
    expect(recoveryPoints.nodes).toEqual([unknown(secondMark), unknown(firstMark)]);
    expect(await ask(points, { groupId, verdict: 'SOUND' })).toEqual({ recoveryPoints: { nodes: [] } });
  });
});
