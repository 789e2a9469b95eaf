import { afterEach, describe, expect, it } from '@jest/globals';
import { databases, estate, groupId, marks, sourceId, standbyInstanceId } from '../../test/estate-of-two.ts';
import { openFailover } from '../../test/open-failover.ts';
import { openRestoreStore } from '../../test/open-store.ts';
import { saveLogins } from '../estate/estate-store.ts';
import type { Estate } from '../estate/estate.ts';
import type { SourceRecord } from '../execution/execution.ts';
import { loadReadinessFacts } from './readiness-store.ts';
import { type ReadinessFacts, readinessOf } from './readiness.ts';

const minutes = (count: number) => count * 60_000;
const now = Date.parse('2026-11-21T04:31:00.000Z');
const known = estate();
const unchecked = ['COVERAGE_UNKNOWN', 'LOGINS_UNCHECKED', 'SECRET_UNVERIFIED', 'NEVER_DRILLED'];

const facts = (changes: Partial<ReadinessFacts> = {}): ReadinessFacts => ({
  group: known.group,
  estates: [known],
  unaddressed: [],
  logins: new Map(),
  runningSince: null,
  sources: [],
  now,
  markEveryMs: minutes(15),
  ...changes,
});
const of = (changes: Partial<Estate>) => facts({ estates: [{ ...known, ...changes }] });
const standing = (changes: Partial<Estate['standby']>) => of({ standby: { ...known.standby, ...changes } });
const databasesLike = (changes: Partial<Estate['group']['databases'][number]>) =>
  facts({ group: { ...known.group, databases: known.group.databases.map(database => ({ ...database, ...changes })) } });
const source: SourceRecord = {
  instanceId: sourceId,
  instanceName: 'PRIMARY',
  outcome: 'DECLARED_UNREACHABLE',
  by: 'alex',
  at: '2026-11-21T04:00:00.000Z',
  evidence: 'gone',
  cameBackAt: null,
};
const codes = ({ reasons }: ReturnType<typeof readinessOf>) => reasons.map(({ code }) => code);

describe('readiness', () => {
  it('is not READY while anything is unchecked, and names it', () => {
    const readiness = readinessOf(facts());
    expect(readiness).toMatchObject({ verdict: 'DEGRADED', observedAt: '2026-11-21T04:31:00.000Z' });
    expect(codes(readiness)).toEqual(unchecked);
  });

  it('asks no more for what inventory has looked at', () => {
    const logins = new Map([sourceId, standbyInstanceId].map(id => [id as string, { logins: [] }]));
    expect(codes(readinessOf(facts({ logins, group: { ...known.group, coverage: [] } })))).toEqual(unchecked.slice(2));
  });

  it.each<[string, ReadinessFacts, string, string[]]>([
    ['no group', facts({ group: undefined, estates: [] }), 'UNKNOWN', ['GROUP_UNKNOWN']],
    ['no standby', facts({ estates: [] }), 'NOT_READY', ['NO_STANDBY']],
    ['a standby without address', facts({ unaddressed: ['STANDBY'] }), 'UNKNOWN', ['INSTANCE_NOT_ADDRESSED']],
    ['a running execution', facts({ runningSince: '2026-11-21T04:30:00.000Z' }), 'NOT_READY', ['EXECUTION_RUNNING']],
    ['a source that stays away', facts({ sources: [source] }), 'DEGRADED', []],
    [
      'a source that came back',
      facts({ sources: [{ ...source, cameBackAt: '2026-11-21T04:30:00.000Z' }] }),
      'NOT_READY',
      ['SOURCE_CAME_BACK'],
    ],
    [
      'databases nobody saw',
      databasesLike({ state: null, recoveryModel: null }),
      'UNKNOWN',
      ['DATABASE_NOT_SEEN', 'DATABASE_NOT_SEEN'],
    ],
    [
      'a database in SIMPLE recovery',
      databasesLike({ recoveryModel: 'SIMPLE' }),
      'NOT_READY',
      ['NOT_FULL_RECOVERY', 'NOT_FULL_RECOVERY'],
    ],
    [
      'databases that are not open',
      databasesLike({ state: 'SUSPECT' }),
      'DEGRADED',
      ['DATABASE_NOT_ONLINE', 'DATABASE_NOT_ONLINE'],
    ],
    [
      'what inventory has found of the coverage, once',
      facts({
        group: {
          ...known.group,
          databases: known.group.databases.map(database => ({ ...database, recoveryModel: 'SIMPLE' })),
          coverage: ['NOT_FULL_RECOVERY', 'NOT_IN_JOB'].map(problem => ({
            database: databases[0]!.name,
            instance: 'PRIMARY',
            problem,
            reason: { code: problem, message: 'm', fix: 'f', evidence: null, since: null },
          })),
        },
      }),
      'NOT_READY',
      ['NOT_FULL_RECOVERY', 'NOT_FULL_RECOVERY', 'COVERAGE_NOT_IN_JOB'],
    ],
    ['databases outside the job', databasesLike({ state: null, inBackupJob: false }), 'DEGRADED', []],
    ['one that is restored natively', standing({ mode: 'NATIVE' }), 'NOT_READY', ['NATIVE_STANDBY']],
    ['NO_COMMON_MARK', standing({ state: 'NO_COMMON_MARK' }), 'NOT_READY', ['NO_COMMON_MARK']],
    ['a recovered one', standing({ state: 'RECOVERED' }), 'NOT_READY', ['STANDBY_RECOVERED']],
    ['a yielded one', standing({ state: 'YIELDED' }), 'NOT_READY', ['STANDBY_YIELDED']],
    ['an unknown one', standing({ state: 'UNKNOWN' }), 'UNKNOWN', ['STANDBY_UNKNOWN']],
    ['a lagging one', standing({ state: 'LAGGING' }), 'DEGRADED', ['STANDBY_LAGGING']],
    ['a paused one', standing({ state: 'PAUSED' }), 'DEGRADED', ['STANDBY_PAUSED']],
    [
      'a database that is not shipped',
      standing({ streams: known.standby.streams.slice(1) }),
      'NOT_READY',
      ['DATABASE_NOT_AT_STANDBY'],
    ],
    [
      'no mark in reach',
      facts({ estates: [estate({ copied: 1 })] }),
      'NOT_READY',
      ['MARK_NOT_AT_STANDBY', 'MARK_NOT_AT_STANDBY'],
    ],
    ['a position nobody saw', of({ streams: known.streams.slice(1) }), 'UNKNOWN', ['POSITION_UNKNOWN']],
    ['positions of half an hour ago', facts({ now: now + minutes(31) }), 'DEGRADED', ['EVIDENCE_STALE']],
    [
      'positions of this morning',
      facts({ now: now + minutes(151) }),
      'UNKNOWN',
      ['EVIDENCE_EXPIRED', 'NEWEST_MARK_OLD'],
    ],
    [
      'a mark without a time',
      of({ points: known.points.map(point => ({ ...point, markedAt: null })) }),
      'DEGRADED',
      ['MARK_TIME_UNKNOWN'],
    ],
    [
      'a mark that is not sound at the source',
      of({ points: known.points.map(point => ({ ...point, verdict: 'UNKNOWN' })) }),
      'DEGRADED',
      ['RECOVERY_POINT_NOT_SOUND'],
    ],
    ['a mark nobody proved', of({ points: known.points.slice(0, 2), sets: known.sets }), 'DEGRADED', ['MARK_UNPROVEN']],
    [
      'a standby that lags behind the marks',
      facts({ estates: [estate({ copied: 2 })], markEveryMs: minutes(7) }),
      'DEGRADED',
      ['STANDBY_BEHIND'],
    ],
  ])('%s', (_name, given, verdict, expected) => {
    const readiness = readinessOf(given);
    expect([readiness.verdict, codes(readiness).filter(code => !unchecked.includes(code))]).toEqual([
      verdict,
      expected,
    ]);
    for (const { message, fix } of readiness.reasons) expect([message, fix]).not.toContain('');
  });

  it('puts the worst first, whatever was found first', () => {
    const readiness = readinessOf({ ...standing({ state: 'UNKNOWN' }), runningSince: '2026-11-21T04:30:00.000Z' });
    expect(codes(readiness).slice(0, 2)).toEqual(['EXECUTION_RUNNING', 'STANDBY_UNKNOWN']);
  });

  it('says what shipping says of the standby', () => {
    const reason = { code: 'FILE_TRUNCATED', message: 'm', fix: 'f', evidence: null, since: null };
    expect(codes(readinessOf(standing({ state: 'BLOCKED', reasons: [reason] })))).toEqual([
      'STANDBY_BLOCKED',
      'FILE_TRUNCATED',
      ...unchecked,
    ]);
  });

  it('lets a standby whose chain is over count only when there is no other one', () => {
    const over = { ...known, standby: { ...known.standby, state: 'RECOVERED' as const } };
    expect(readinessOf(facts({ estates: [over, known] })).verdict).toBe('DEGRADED');
    const unseen = { ...known, streams: [] };
    expect(readinessOf(facts({ estates: [known, unseen] }))).toMatchObject({ verdict: 'UNKNOWN', observedAt: null });
  });
});

describe('the facts', () => {
  let remove: (() => Promise<void>) | undefined;
  afterEach(() => remove?.());

  it('come from what the others published', async () => {
    const opened = await openRestoreStore();
    remove = opened.remove;
    const logins = {
      instanceId: sourceId,
      version: 2,
      serverName: 'PRIMARY',
      observedAt: known.group.observedAt,
      logins: [],
    };
    await opened.store.transaction(tx => saveLogins(tx, logins));
    await opened.store.transaction(tx => saveLogins(tx, { ...logins, version: 1, logins: null }));
    const loaded = await opened.store.read(db => loadReadinessFacts(db, groupId));
    expect([...loaded.logins]).toEqual([[sourceId, { ...logins, version: 2 }]]);
    expect(loaded).toMatchObject({
      group: { name: 'Orders', databases: databases.map(({ name }) => ({ name })) },
      estates: [{ points: marks.map(markName => ({ markName })) }],
      unaddressed: ['STANDBY'],
      runningSince: null,
      sources: [],
    });
  });

  it('and from executions: one that runs, and the sources of one that has completed', async () => {
    const failover = await openFailover();
    remove = failover.remove;
    const loaded = () => failover.store.read(db => loadReadinessFacts(db, groupId));
    expect(await loaded()).toMatchObject({ runningSince: (await failover.view()).startedAt, sources: [] });
    await failover.run();
    expect(await loaded()).toMatchObject({
      runningSince: null,
      sources: [{ instanceName: 'PRIMARY', outcome: 'DECLARED_UNREACHABLE', cameBackAt: null }],
    });
  });
});
