import { describe, expect, it } from '@jest/globals';
import type { DatabaseId } from '@holdfast/domain';
import type { BackupFileState } from '@holdfast/domain/backup-set';
import { type DatabaseName, databaseIds, header, instanceId, lsnAt, setOf } from '../../test/ledger.ts';
import { afterCheck, type Finding } from '../backup-file/backup-file.ts';
import { judgeSets, type LedgerSet } from '../backup-set/backup-set.ts';
import type { FoundBackup } from '../foreign-backup/foreign-backup.ts';
import { judgePoint, judgePointByNewestFull, type LedgerJudgement, type Surroundings } from './recovery-point.ts';

const when = { now: Date.parse('2026-11-21T10:30:00.000Z'), observeEveryMs: 30_000 };
const lostOne: DatabaseName = 'BizTalkMsgBoxDb';
const members = Object.entries(databaseIds).map(([name, databaseId]) => ({
  databaseId,
  name,
  role: 'CUSTOM' as const,
}));

/** Proven in every database; `found` of one database afterwards. */
function proven(number: number, found?: Finding): LedgerSet {
  const set = setOf(number, number === 1 ? 'FULL' : 'LOG');
  const look = (file: LedgerSet['files'][number], finding: Finding) => afterCheck(file, set.type, finding, when);
  const files = set.files.map(file => {
    const headers = [header(number, set.type, file.databaseName)];
    const marked = set.type === 'LOG' ? { ...file, markLsn: lsnAt(number, -10) } : file;
    const read = look(marked, { kind: 'HEADERS', headers });
    return found === undefined || file.databaseName !== lostOne ? read : look(read, found);
  });
  return { ...set, files };
}
const lost = (state: Extract<BackupFileState, 'MISSING' | 'DAMAGED' | 'UNREADABLE'>): Finding => ({
  kind: 'LOST',
  state,
});
const without = (number: number): LedgerSet => {
  const set = proven(number);
  return { ...set, rows: set.rows.slice(0, 1), files: set.files.slice(0, 1), coveredDatabases: null };
};
const partial = (number: number): LedgerSet => {
  const set = without(number);
  return { ...set, rows: set.rows.map(row => ({ ...row, setComplete: false })) };
};
const unproven = (number: number): LedgerSet => {
  const set = proven(number);
  return { ...set, files: set.files.map((file, index) => (index === 0 ? file : { ...file, markLsn: null })) };
};
const foreign: FoundBackup = {
  backupSetUuid: '0198f2c4-0000-7000-8000-000000000077',
  instanceId,
  databaseId: databaseIds[lostOne] as DatabaseId,
  databaseName: lostOne,
  type: 'LOG',
  copyOnly: false,
  firstLsn: lsnAt(1),
  lastLsn: lsnAt(2),
  finishedAtRecorded: '2026-11-21T10:02:00.000',
  finishedAt: '2026-11-21T10:02:00.000Z',
  userName: 'CONTOSO\\backup',
  device: 'NUL',
};

/** The points of a history by the number of their set, newest first; as the ledger judges them. */
function verdicts(sets: readonly LedgerSet[], around: Partial<Surroundings> = {}): Record<string, LedgerJudgement> {
  const judged = judgeSets(sets, null, '2026-11-21T10:30:00.000Z') as readonly LedgerSet[];
  const surroundings = { members, foreign: [], ...around };
  return Object.fromEntries(
    judged.flatMap((set, index) => {
      const history = judged.slice(0, index + 1);
      const judge = () => judgePointByNewestFull(set, history, surroundings) ?? judgePoint(set, history, surroundings);
      return set.type === 'LOG' ? [[set.number, judge()]] : [];
    }),
  );
}
const summary = (points: Record<string, LedgerJudgement>) =>
  Object.fromEntries(
    Object.entries(points).map(([number, { verdict, reasons }]) => [
      number,
      [verdict, ...new Set(reasons.map(({ code }) => code))],
    ]),
  );

describe('the newest set loses a file after it was proven', () => {
  it.each([
    ['gone', lost('MISSING'), 'FILE_MISSING'],
    ['cut off', lost('DAMAGED'), 'FILE_DAMAGED'],
    ['out of reach of the service account', lost('UNREADABLE'), 'FILE_UNREADABLE'],
    ['overwritten by another backup', { kind: 'HEADERS', headers: [header(9, 'LOG', lostOne)] }, 'FILE_DAMAGED'],
    ['overwritten by one of another database', { kind: 'HEADERS', headers: [header(3, 'LOG', 'X')] }, 'FILE_MISSING'],
  ] satisfies readonly (readonly [string, Finding, string])[])(
    '%s: its point is BROKEN by name, the one before stays SOUND',
    (_what, finding, code) => {
      const newest = proven(3, finding);
      const points = verdicts([proven(1), proven(2), newest]);
      expect(summary(points)).toEqual({ 2: ['SOUND'], 3: ['BROKEN', code] });
      const path = newest.files.find(({ databaseName }) => databaseName === lostOne)?.path;
      expect(points['3']?.reasons).toMatchObject([{ message: expect.stringContaining(lostOne), evidence: path }]);
      expect(points['3']?.databases.map(({ verdict }) => verdict)).toEqual(['SOUND', 'BROKEN']);
    },
  );
});

describe('the verdict on the newest of these sets', () => {
  it.each<[string, readonly LedgerSet[], Partial<Surroundings>, readonly string[]]>([
    ['all proven', [proven(1), proven(2), proven(3)], {}, ['SOUND']],
    [
      'a log on the way lost: the gap, and the file that held it',
      [proven(1), proven(2, lost('MISSING')), proven(3)],
      {},
      ['BROKEN', 'SET_ORPHANED', 'CHAIN_GAP', 'FILE_MISSING'],
    ],
    [
      'a log on the way cut off',
      [proven(1), proven(2, lost('DAMAGED')), proven(3)],
      {},
      ['BROKEN', 'SET_ORPHANED', 'CHAIN_GAP', 'FILE_DAMAGED'],
    ],
    ['the only base lost', [proven(1, lost('MISSING')), proven(2)], {}, ['BROKEN', 'NO_BASE', 'FILE_MISSING']],
    ['a gap that nobody explains', [proven(1), proven(3)], {}, ['BROKEN', 'CHAIN_GAP']],
    [
      'a log backup of somebody else took what is missing',
      [proven(1), proven(3)],
      { foreign: [foreign] },
      ['BROKEN', 'CHAIN_GAP', 'FOREIGN_LOG_BACKUP'],
    ],
    [
      'one that is copy-only did not',
      [proven(1), proven(3)],
      { foreign: [{ ...foreign, copyOnly: true }] },
      ['BROKEN', 'CHAIN_GAP'],
    ],
    [
      'one before the chain did not either',
      [proven(1), proven(3)],
      { foreign: [{ ...foreign, firstLsn: lsnAt(0), lastLsn: lsnAt(1) }] },
      ['BROKEN', 'CHAIN_GAP'],
    ],
    ['a foreign log backup without a gap', [proven(1), proven(2)], { foreign: [foreign] }, ['SOUND']],
    ['a mark unproven in one database', [proven(1), proven(2), unproven(3)], {}, ['UNKNOWN', 'MARK_UNPROVEN']],
    [
      'the job stopped within the set before',
      [proven(1), partial(2), proven(3)],
      {},
      ['BROKEN', 'SET_ORPHANED', 'BRIDGED_BY_PARTIAL_SET', 'CHAIN_GAP'],
    ],
    [
      'the job left a database out that belongs to the group',
      [proven(1), without(2)],
      {},
      ['DEGRADED', 'DATABASE_NOT_IN_SET'],
    ],
    [
      'only databases with backups of their own are not in it',
      [proven(1), proven(2)],
      { members: members.slice(0, 0) },
      ['SOUND'],
    ],
  ])('%s', (_what, sets, around, expected) => {
    const newest = sets.at(-1)?.number ?? '';
    expect(summary(verdicts(sets, around))[newest]).toEqual(expected);
  });

  it('names the database that was left out, and who took the log', () => {
    expect(verdicts([proven(1), without(2)])['2']?.reasons[0]?.message).toContain(lostOne);
    const broken = verdicts([proven(1), proven(3)], { foreign: [foreign] })['3'];
    const [taken] = broken?.reasons.filter(({ code }) => code === 'FOREIGN_LOG_BACKUP') ?? [];
    expect(taken).toMatchObject({
      message: expect.stringContaining('CONTOSO\\backup'),
      evidence: `NUL, from ${lsnAt(1)} to ${lsnAt(2)}`,
    });
    // Only the database whose log was taken says so.
    expect(broken?.databases.map(({ reasons }) => reasons.map(({ code }) => code))).toEqual([
      ['CHAIN_GAP'],
      ['CHAIN_GAP', 'FOREIGN_LOG_BACKUP'],
    ]);
  });
});
