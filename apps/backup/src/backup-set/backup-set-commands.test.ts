import { newId } from '@holdfast/service';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { HistoryFact } from '@holdfast/sqlserver/management';
import {
  databaseNames,
  type DatabaseName,
  fileName,
  folder,
  group,
  groupId,
  header,
  history,
  instanceId,
  lsnAt,
  markOf,
} from '../../test/ledger.ts';
import { type LedgerStore, openLedgerStore } from '../../test/store.ts';
import type { Finding } from '../backup-file/backup-file.ts';
import { type JobFacts, parseSteps } from '../backup-job/backup-job.ts';
import { findJob } from '../backup-job/backup-job-store.ts';
import { saveGroup } from '../estate/estate-store.ts';
import { pageOfForeign } from '../foreign-backup/foreign-backup-store.ts';
import { pageOfPoints } from '../recovery-point/recovery-point-store.ts';
import type { SeenHistory } from '../source/source-store.ts';
import { recordFiles, recordHistory } from './backup-set-commands.ts';
import { dueFiles, findLedgerEnd, pageOfSets } from './backup-set-store.ts';
import { findLook } from './history-look-store.ts';

let ledger: LedgerStore;
beforeEach(async () => {
  ledger = await openLedgerStore();
});
afterEach(() => ledger.close());

const first = { first: 50, after: null };
const sets = () => ledger.store.read(db => pageOfSets(db, groupId, first, {}));
const points = () => ledger.store.read(db => pageOfPoints(db, groupId, first, undefined));
const due = () => ledger.store.read(db => dueFiles(db, groupId, new Date(ledger.now).toISOString(), 64));
const states = async () => Object.fromEntries((await sets()).map(({ number, state }) => [number, state]));

const noJob = { observedAt: '2026-11-21T10:30:00.000Z', facts: null, problem: null };

/** A look that finds these rows, and the marks of these sets. */
async function look(rows: readonly HistoryFact[], change: Partial<SeenHistory> & { marked?: readonly number[] } = {}) {
  const { marked = [], ...rest } = change;
  const marks = marked.flatMap(number =>
    databaseNames.map(databaseName => ({
      databaseName,
      markName: markOf(number),
      lsn: lsnAt(number, -10),
      markedAt: { recorded: `2026-11-21T10:${String(number).padStart(2, '0')}:00.500`, basis: 'LOCAL' as const },
    })),
  );
  const seen: SeenHistory = {
    observedAt: new Date(ledger.now).toISOString(),
    fromSetId: '0',
    history: rows,
    coveredDatabases: databaseNames,
    marks: [{ instanceId, offsetMinutes: 0, marks }],
    msdb: [],
    job: noJob,
    problems: [],
    ...rest,
  };
  await ledger.store.transaction(tx => recordHistory(ledger.deps, tx, groupId, seen));
}

/** Looks at every file that is due; the others than `found` answer with their header. */
async function examine(found: (number: number, database: DatabaseName) => Finding | undefined = () => undefined) {
  const requests = await due();
  const numbers = new Map((await sets()).map(({ setId, number }) => [setId, Number(number)]));
  const seen = requests.map(request => {
    const number = numbers.get(request.file.setId)!;
    const database = request.file.databaseName as DatabaseName;
    const finding = found(number, database) ?? {
      kind: 'HEADERS' as const,
      headers: [header(number, request.type, database)],
    };
    return { ...request, finding, offsetMinutes: finding.kind === 'NO_ANSWER' ? null : 0 };
  });
  await ledger.store.transaction(tx => recordFiles(ledger.deps, tx, groupId, seen));
  return seen.length;
}

const fullAndLogs = [...history(1, 'FULL'), ...history(2, 'LOG'), ...history(4, 'LOG')];

describe('a look at the history', () => {
  it('is a claim: the sets are COMPLETE and their points nobody knows', async () => {
    await look(fullAndLogs);
    expect(await states()).toEqual({ 1: 'COMPLETE', 2: 'COMPLETE', 4: 'COMPLETE' });
    expect((await points()).map(({ verdict }) => verdict)).toEqual(['UNKNOWN', 'UNKNOWN']);
    expect(await due()).toHaveLength(6);
  });

  it('becomes proof with the headers and the marks', async () => {
    await look(fullAndLogs, { marked: [2, 4] });
    await examine();
    expect(await states()).toEqual({ 1: 'VERIFIED', 2: 'VERIFIED', 4: 'VERIFIED' });
    expect(await points()).toMatchObject([
      { markName: markOf(4), verdict: 'BROKEN', reasons: [{ code: 'CHAIN_GAP' }, { code: 'CHAIN_GAP' }] },
      {
        markName: markOf(2),
        verdict: 'SOUND',
        reasons: [],
        markedAt: '2026-11-21T10:02:00.500Z',
        databases: [
          { databaseName: 'BizTalkMgmtDb', lsn: lsnAt(2, -10), markProven: true, verdict: 'SOUND' },
          { databaseName: 'BizTalkMsgBoxDb', lsn: lsnAt(2, -10), markProven: true, verdict: 'SOUND' },
        ],
      },
    ]);
    expect(await sets()).toMatchObject([{}, {}, { timeBasis: 'UTC', startedAt: '2026-11-21T10:01:00.000Z' }]);
    // Nothing is left to learn: the history is read from the newest set on.
    expect(await ledger.store.read(db => findLedgerEnd(db, groupId))).toMatchObject({ readFrom: { number: '4' } });
    expect(await due()).toEqual([]);
  });

  it('publishes what became different, once, with the next version', async () => {
    await look(history(1, 'FULL'));
    await look(history(1, 'FULL'));
    expect(await ledger.published()).toMatchObject([
      { type: 'io.holdfast.backup.set.qualified.v1', data: { number: '1', version: 1, state: 'COMPLETE' } },
    ]);
    await examine();
    expect(await ledger.published()).toMatchObject([{ data: { number: '1', version: 2, state: 'VERIFIED' } }]);
    await look([...history(1, 'FULL'), ...history(2, 'LOG')], { marked: [2] });
    expect(await ledger.published()).toMatchObject([
      { data: { number: '2', version: 1, state: 'COMPLETE', files: [{ markLsn: lsnAt(2, -10), header: null }, {}] } },
      {
        type: 'io.holdfast.backup.recoveryPoint.judged.v1',
        data: { markName: markOf(2), version: 1, verdict: 'UNKNOWN' },
      },
    ]);
    await examine();
    expect(await ledger.published()).toMatchObject([
      { data: { number: '2', version: 2, state: 'VERIFIED', startedAt: '2026-11-21T10:02:00.000Z' } },
      { data: { markName: markOf(2), version: 2, verdict: 'SOUND', markedAt: '2026-11-21T10:02:00.500Z' } },
    ]);
  });

  it('ends in the same whether it comes once or again', async () => {
    for (let times = 0; times < 2; times += 1) {
      await look(fullAndLogs.slice(0, 4), { marked: [2] });
      await examine();
    }
    const events = await ledger.published();
    expect(events.map(({ data }) => [data['number'] ?? data['markName'], data['version']])).toEqual([
      ['1', 1],
      ['2', 1],
      [markOf(2), 1],
      ['1', 2],
      ['2', 2],
      [markOf(2), 2],
    ]);
  });
});

describe('a set that is not whole', () => {
  it('runs until a higher one is listed', async () => {
    const written = history(2, 'LOG', { setComplete: false, databases: ['BizTalkMgmtDb'] });
    await look([...history(1, 'FULL'), ...written]);
    expect(await states()).toEqual({ 1: 'COMPLETE', 2: 'RUNNING' });
    // What the job may still be writing is left alone.
    expect(await due()).toHaveLength(2);
    await look([...written, ...history(3, 'LOG')], { fromSetId: '2' });
    expect(await states()).toEqual({ 1: 'COMPLETE', 2: 'PARTIAL', 3: 'ORPHANED' });
  });

  it('lacks a database that the job covered before and after it', async () => {
    await look(history(1, 'FULL', { databases: ['BizTalkMgmtDb'] }));
    // Of the first look nobody knows what was covered when the set was taken.
    expect(await states()).toEqual({ 1: 'COMPLETE' });
    await look([
      ...history(1, 'FULL', { databases: ['BizTalkMgmtDb'] }),
      ...history(2, 'FULL', { databases: ['BizTalkMgmtDb'] }),
    ]);
    expect(await states()).toEqual({ 1: 'COMPLETE', 2: 'PARTIAL' });
  });

  it('with a lost file breaks its point and orphans the logs after it, until the file is back', async () => {
    await look([...fullAndLogs.slice(0, 4), ...history(3, 'LOG')], { marked: [2, 3] });
    await examine((number, database) =>
      number === 2 && database === 'BizTalkMsgBoxDb' ? { kind: 'LOST', state: 'MISSING' } : undefined,
    );
    expect(await states()).toEqual({ 1: 'VERIFIED', 2: 'SUSPECT', 3: 'ORPHANED' });
    expect(await points()).toMatchObject([
      { markName: markOf(3), verdict: 'BROKEN' },
      { markName: markOf(2), verdict: 'BROKEN' },
    ]);
    expect(await due()).toEqual([]);
    ledger.now += 31_000;
    // The others are looked at again as well: what was proven may be lost by now.
    expect(await examine()).toBe(6);
    expect(await states()).toEqual({ 1: 'VERIFIED', 2: 'VERIFIED', 3: 'VERIFIED' });
    expect((await points()).map(({ verdict }) => verdict)).toEqual(['SOUND', 'SOUND']);
  });
});

it('a finding that comes after a later look at its file changes nothing', async () => {
  await look(history(1, 'FULL'));
  const asked = await due();
  await examine();
  await ledger.published();
  const late = asked.map(request => ({
    ...request,
    finding: { kind: 'LOST' as const, state: 'MISSING' as const },
    offsetMinutes: 0,
  }));
  await ledger.store.transaction(tx => recordFiles(ledger.deps, tx, groupId, late));
  expect(await states()).toEqual({ 1: 'VERIFIED' });
  expect(await ledger.published()).toEqual([]);
});

describe('what is not seen', () => {
  it('is not invented: an instance without an answer leaves files unknown and its problem beside them', async () => {
    await look(history(1, 'FULL'));
    await examine(() => ({ kind: 'NO_ANSWER', problem: 'connect: refused' }));
    expect(await states()).toEqual({ 1: 'COMPLETE' });
    expect((await sets())[0]?.files.map(({ state, checkedAt }) => [state, checkedAt])).toEqual([
      ['UNKNOWN', null],
      ['UNKNOWN', null],
    ]);
    expect(await ledger.store.read(db => findLook(db, groupId))).toMatchObject({ fileError: 'connect: refused' });
    ledger.now += 31_000;
    await examine();
    expect(await states()).toEqual({ 1: 'VERIFIED' });
    expect(await ledger.store.read(db => findLook(db, groupId))).toMatchObject({ fileError: null });
  });

  it('is kept when its rows vanish from the history', async () => {
    await look(history(1, 'FULL'));
    await examine();
    await look(history(2, 'FULL'));
    expect(await states()).toEqual({ 1: 'PURGED', 2: 'COMPLETE' });
    expect((await sets()).at(-1)?.files.map(({ state }) => state)).toEqual(['VERIFIED', 'VERIFIED']);
  });

  it('takes its file when inventory has published the database', async () => {
    const rows = history(1, 'FULL', { databases: ['BizTalkMgmtDb', 'SSODB'] });
    await look(rows);
    await examine();
    expect(await sets()).toMatchObject([{ state: 'COMPLETE', files: [{ databaseName: 'BizTalkMgmtDb' }] }]);
    const sso = { ...group.databases[1]!, name: 'SSODB' };
    await ledger.store.transaction(tx => saveGroup(tx, { ...group, version: 2, databases: [...group.databases, sso] }));
    await look(rows);
    expect((await sets())[0]?.files.map(({ databaseName, rowIndex }) => [databaseName, rowIndex])).toEqual([
      ['BizTalkMgmtDb', 0],
      ['SSODB', 1],
    ]);
  });
});

it('a number that comes again after a failover is another set', async () => {
  await look(fullAndLogs, { marked: [2, 4] });
  await examine();
  const again = history(2, 'LOG').map(row => ({
    ...row,
    startedAt: { recorded: '2026-11-21T12:00:00.000', basis: 'UNKNOWN' as const },
  }));
  await look([...history(1, 'FULL'), ...again]);
  expect((await sets()).map(({ number, startedAtRecorded, state }) => [number, startedAtRecorded, state])).toEqual([
    ['4', '2026-11-21T10:04:00.000', 'PURGED'],
    ['2', '2026-11-21T12:00:00.000', 'COMPLETE'],
    ['2', '2026-11-21T10:02:00.000', 'PURGED'],
    ['1', '2026-11-21T10:01:00.000', 'VERIFIED'],
  ]);
});

describe('what a look finds beside the history', () => {
  const facts = (usesLocalTime: boolean): JobFacts => ({
    name: 'Backup BizTalk Server (BizTalkMgmtDb)',
    enabled: true,
    runningSinceRecorded: null,
    lastRun: null,
    configuration: parseSteps([
      { command: "exec sp_BackupAllFull_Schedule 'd','BTS','D:\\B',0,null,0" },
      { command: `exec sp_MarkAll 'BTS','D:\\B',${usesLocalTime ? '1' : '0'}` },
    ]),
    intervalSeconds: 900,
    fullForced: false,
    offsetMinutes: 60,
  });
  const job = (usesLocalTime: boolean) => ({ ...noJob, facts: facts(usesLocalTime) });
  const bases = async () =>
    Object.fromEntries((await sets()).map(({ number, timeBasis, startedAt }) => [number, [timeBasis, startedAt]]));

  it('settles the time of a set that is new between two looks at the same steps, until its header says better', async () => {
    await look(history(1, 'FULL'), { job: job(true) });
    await look([...history(1, 'FULL'), ...history(2, 'LOG'), ...history(3, 'FULL')], { job: job(true) });
    await look([...history(1, 'FULL'), ...history(2, 'LOG'), ...history(3, 'FULL'), ...history(4, 'LOG')], {
      job: job(false),
    });
    expect(await bases()).toEqual({
      1: ['UNKNOWN', null],
      2: ['LOCAL', '2026-11-21T09:02:00.000Z'],
      3: ['UTC', '2026-11-21T10:03:00.000Z'],
      4: ['UNKNOWN', null],
    });
    await examine();
    // The headers of this source say UTC for all.
    expect(new Set(Object.values(await bases()).map(([basis]) => basis))).toEqual(new Set(['UTC']));
  });

  it('keeps what was known of the job when a look at it fails, older', async () => {
    await look(history(1, 'FULL'), { job: job(true) });
    await look(history(1, 'FULL'), { job: { ...noJob, observedAt: '2026-11-21T10:31:00.000Z', problem: '229' } });
    expect(await ledger.store.read(db => findJob(db, groupId))).toMatchObject({
      observedAt: noJob.observedAt,
      error: '229',
      facts: { name: 'Backup BizTalk Server (BizTalkMgmtDb)' },
    });
  });

  const theirs = {
    rowId: 9,
    backupSetUuid: '0198f2c4-0000-7000-8000-000000000077',
    databaseName: 'BizTalkMsgBoxDb',
    type: 'L',
    isCopyOnly: false,
    firstLsn: lsnAt(2),
    lastLsn: lsnAt(3),
    finishedAtRecorded: '2026-11-21T10:03:00.000',
    userName: 'backup',
    device: 'NUL',
  };
  const msdb = (...rows: (typeof theirs)[]) => [{ instanceId, offsetMinutes: 0, rows, upToRowId: 9 }];
  const foreign = () => ledger.store.read(db => pageOfForeign(db, groupId, first));

  it('takes a backup for foreign once a later look at the history lacks it too, and explains the gap with it', async () => {
    await look(fullAndLogs, { marked: [2, 4], msdb: msdb(theirs) });
    await look(fullAndLogs, { marked: [2, 4] });
    // Files at which nobody has looked may be older than it.
    expect(await foreign()).toEqual([]);
    await examine();
    expect((await points())[0]?.reasons.map(({ code }) => code)).toEqual(['CHAIN_GAP', 'CHAIN_GAP']);
    await look(fullAndLogs, { marked: [2, 4] });
    expect(await foreign()).toMatchObject([
      { databaseName: 'BizTalkMsgBoxDb', finishedAt: '2026-11-21T10:03:00.000Z' },
    ]);
    expect((await points()).map(({ verdict, reasons }) => [verdict, ...reasons.map(({ code }) => code)])).toEqual([
      ['BROKEN', 'CHAIN_GAP', 'CHAIN_GAP', 'FOREIGN_LOG_BACKUP'],
      ['SOUND'],
    ]);
  });

  it("leaves out the job's own, by device or by uuid, and what is older than the ledger", async () => {
    const rows = fullAndLogs.slice(0, 4);
    const own = { ...theirs, device: `${folder}\\${fileName(2, 'BizTalkMsgBoxDb')}` };
    const uuid = { ...theirs, backupSetUuid: header(2, 'LOG', 'BizTalkMsgBoxDb').backupSetUuid };
    const older = { ...theirs, backupSetUuid: newId(), firstLsn: lsnAt(0, -9), lastLsn: lsnAt(1, -1) };
    await look(rows, { marked: [2], msdb: msdb(own, uuid, older) });
    await examine();
    await look(rows, { marked: [2] });
    expect(await foreign()).toEqual([]);
  });

  it('forgets one that the history lists after all, and its point is judged again', async () => {
    const late = { ...theirs, device: `${folder}\\${fileName(3, 'BizTalkMsgBoxDb')}` };
    await look(fullAndLogs, { marked: [2, 4], msdb: msdb(late) });
    await examine();
    await look(fullAndLogs, { marked: [2, 4] });
    expect(await foreign()).toHaveLength(1);
    await look([...fullAndLogs, ...history(3, 'LOG')], { marked: [2, 3, 4] });
    await examine();
    expect(await foreign()).toEqual([]);
    expect((await points()).map(({ verdict }) => verdict)).toEqual(['SOUND', 'SOUND', 'SOUND']);
  });

  it('judges every point anew when the group has another database', async () => {
    await look(fullAndLogs.slice(0, 4), { marked: [2] });
    await examine();
    const sso = { ...group.databases[1]!, databaseId: newId(), name: 'SSODB' };
    const cubes = { ...sso, databaseId: newId(), name: 'BAMAnalysis', role: 'BAM_ANALYSIS' as const };
    await ledger.store.transaction(tx =>
      saveGroup(tx, { ...group, version: 2, databases: [...group.databases, sso, cubes] }),
    );
    await look(fullAndLogs.slice(0, 4), { marked: [2] });
    expect(await points()).toMatchObject([{ verdict: 'DEGRADED', reasons: [{ code: 'DATABASE_NOT_IN_SET' }] }]);
    expect((await points())[0]?.reasons[0]?.message).toContain('SSODB');
  });
});

it('a file lost before a full set touches the points up to that set and none after it', async () => {
  const rows = [...fullAndLogs.slice(0, 4), ...history(3, 'FULL'), ...history(4, 'LOG')];
  // The log set after the full one spans it.
  const spanning = (number: number, database: DatabaseName) => ({
    ...header(number, number % 2 === 0 ? 'LOG' : 'FULL', database),
    ...(number === 4 ? { firstLsn: lsnAt(2) } : {}),
  });
  await look(rows, { marked: [2, 4] });
  await examine((number, database) => ({ kind: 'HEADERS', headers: [spanning(number, database)] }));
  expect((await points()).map(({ verdict }) => verdict)).toEqual(['SOUND', 'SOUND']);
  await ledger.published();
  ledger.now += 31_000;
  await examine((number, database) =>
    number === 1 && database === 'BizTalkMsgBoxDb'
      ? { kind: 'LOST', state: 'MISSING' }
      : { kind: 'HEADERS', headers: [spanning(number, database)] },
  );
  expect((await points()).map(({ verdict, reasons }) => [verdict, ...reasons.map(({ code }) => code)])).toEqual([
    ['SOUND'],
    ['BROKEN', 'NO_BASE', 'FILE_MISSING'],
  ]);
  expect((await ledger.published()).map(({ data }) => data['number'] ?? data['markName'])).toEqual(['1', markOf(2)]);
});
