import { describe, expect, it } from '@jest/globals';
import { header, history, lsnAt, markOf, setOf } from '../../test/ledger.ts';
import { afterCheck } from '../backup-file/backup-file.ts';
import {
  isFinal,
  isSettled,
  judgeSets,
  leftBehind,
  type LedgerSet,
  listedSets,
  sizeOf,
  sortKeyOf,
} from './backup-set.ts';

const now = '2026-11-21T11:00:00.000Z';
const when = { now: Date.parse(now), observeEveryMs: 30_000 };

/** With every header read and every mark proven. */
function proven(number: number, type: 'FULL' | 'LOG'): LedgerSet {
  const set = setOf(number, type);
  return {
    ...set,
    files: set.files.map(file => {
      const headers = [header(number, type, file.databaseName)];
      const read = afterCheck(file, type, { kind: 'HEADERS', headers }, when);
      return type === 'LOG' ? { ...read, markLsn: lsnAt(number, -10) } : read;
    }),
  };
}
const lost = (set: LedgerSet): LedgerSet => ({ ...set, files: set.files.map(file => ({ ...file, state: 'MISSING' })) });
const running = (set: LedgerSet): LedgerSet => ({
  ...set,
  rows: set.rows.map(row => ({ ...row, setComplete: false })),
});

/** Its second database is known to nobody here. */
const unplaced = (set: LedgerSet): LedgerSet => ({
  ...set,
  rows: set.rows.map((row, index) => (index === 1 ? { ...row, databaseId: null } : row)),
  files: set.files.slice(0, 1),
});
/** Its first database has a second row, under another spelling of its server. */
const doubled = (set: LedgerSet, setComplete = true): LedgerSet => ({
  ...set,
  rows: [...set.rows, { ...set.rows[0]!, serverName: 'SQLALIAS,1433', setComplete }],
  coveredDatabases: [...(set.coveredDatabases ?? []), set.rows[0]!.databaseName],
});

/** These in full, as judged. */
const judgedInFull = (sets: readonly LedgerSet[], broken: string | null, at: string) =>
  judgeSets(sets, broken, at).flatMap(set => (isFinal(set) ? [] : [set]));

describe('the history as sets', () => {
  it('are its rows by set, in the order of numbers and of writing', () => {
    const rows = [...history(10, 'LOG'), ...history(9, 'FULL')].toReversed();
    expect(listedSets(rows)).toMatchObject([
      { number: '9', type: 'FULL', markName: null },
      {
        number: '10',
        type: 'LOG',
        markName: markOf(10),
        rows: [
          { databaseName: 'BizTalkMgmtDb', path: '\\\\backup\\bts\\PRIMARY_BTS_BizTalkMgmtDb_10.bak' },
          { databaseName: 'BizTalkMsgBoxDb' },
        ],
      },
    ]);
  });

  it('sort by number, not as text, and by start where a number repeats', () => {
    const sets = [
      { number: '10', startedAtRecorded: '2026-11-20T00:00:00.000' },
      { number: '9', startedAtRecorded: '2026-11-20T00:00:00.000' },
      { number: '9', startedAtRecorded: '2026-11-21T00:00:00.000' },
    ];
    expect(sets.map(sortKeyOf).toSorted()).toEqual([sets[1]!, sets[2]!, sets[0]!].map(sortKeyOf));
  });
});

describe('the states of a ledger', () => {
  it.each<[string, LedgerSet[], string | null, LedgerSet['state'][]]>([
    ['proof', [proven(1, 'FULL'), proven(2, 'LOG')], null, ['VERIFIED', 'VERIFIED']],
    ['a claim alone', [setOf(1, 'FULL'), setOf(2, 'LOG')], null, ['COMPLETE', 'COMPLETE']],
    ['the newest set is being written', [proven(1, 'FULL'), running(setOf(2, 'LOG'))], null, ['VERIFIED', 'RUNNING']],
    ['a set was left behind', [running(setOf(2, 'LOG')), proven(3, 'LOG')], null, ['PARTIAL', 'ORPHANED']],
    [
      'a whole full ends what a lost log began',
      [lost(proven(2, 'LOG')), proven(3, 'LOG'), proven(4, 'FULL'), proven(5, 'LOG')],
      null,
      ['SUSPECT', 'ORPHANED', 'VERIFIED', 'VERIFIED'],
    ],
    [
      'a lost full ends nothing',
      [lost(proven(2, 'LOG')), lost(proven(4, 'FULL')), proven(5, 'LOG')],
      null,
      ['SUSPECT', 'SUSPECT', 'ORPHANED'],
    ],
    ['broken before the first', [proven(3, 'LOG')], '2', ['ORPHANED']],
    [
      'a database of the job is lacking',
      [{ ...proven(1, 'FULL'), coveredDatabases: ['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'SSODB'] }],
      null,
      ['PARTIAL'],
    ],
    [
      'a server with two spellings has two rows of a database',
      [doubled(proven(1, 'FULL')), doubled(running(proven(2, 'LOG')), true)],
      null,
      ['VERIFIED', 'RUNNING'],
    ],
    ['a database is unknown here', [unplaced(proven(1, 'FULL'))], null, ['COMPLETE']],
    ['the rows are gone', [{ ...proven(1, 'FULL'), rows: [] }, proven(2, 'LOG')], null, ['PURGED', 'VERIFIED']],
  ])('%s', (_what, sets, broken, states) => {
    expect(judgedInFull(sets, broken, now).map(({ state }) => state)).toEqual(states);
  });

  it('keep the date of a reason while it stays', () => {
    const first = judgedInFull([setOf(1, 'FULL')], null, now);
    const later = judgedInFull(first, null, '2026-11-21T12:00:00.000Z');
    expect(later[0]?.reasons[0]).toMatchObject({ code: 'FILE_NOT_VERIFIED', since: now });
    expect(later[0]?.files[0]?.reasons[0]).toMatchObject({ code: 'FILE_NOT_VERIFIED', since: now });
  });
});

describe('a final set among those that are judged', () => {
  const final = (number: number, type: 'FULL' | 'LOG', state: LedgerSet['state']) => {
    const { setId, startedAtRecorded } = setOf(number, type);
    return { setId, number: String(number), startedAtRecorded, type, state, isFinal: true } as const;
  };
  const states = (...sets: Parameters<typeof judgeSets>[0]) => judgeSets(sets, null, now).map(({ state }) => state);

  it('counts with how it ended', () => {
    expect(states(final(2, 'LOG', 'PARTIAL'), proven(3, 'LOG'))).toEqual(['PARTIAL', 'ORPHANED']);
    expect(states(lost(proven(2, 'LOG')), final(3, 'FULL', 'VERIFIED'), proven(4, 'LOG'))).toEqual([
      'SUSPECT',
      'VERIFIED',
      'VERIFIED',
    ]);
    expect(states(running(setOf(2, 'LOG')), final(3, 'FULL', 'VERIFIED'))).toEqual(['PARTIAL', 'VERIFIED']);
  });

  it('is named when one before it is not whole any more', () => {
    const sets = [lost(proven(2, 'LOG')), final(3, 'LOG', 'VERIFIED'), final(4, 'FULL', 'VERIFIED')];
    expect(leftBehind(judgeSets([...sets, final(5, 'LOG', 'VERIFIED')], null, now), null)).toEqual([sets[1]]);
  });
});

describe('a set is settled', () => {
  const judged = (set: LedgerSet) => judgedInFull([set], null, now)[0]!;
  it.each<[string, LedgerSet, boolean]>([
    ['when everything is proven', proven(1, 'LOG'), true],
    ['when its rows are gone', { ...setOf(1, 'LOG'), rows: [] }, true],
    ['not while it is being written', running(proven(1, 'LOG')), false],
    ['not while a file is away', lost(proven(1, 'FULL')), false],
    [
      'not while a mark is unproven',
      { ...proven(1, 'LOG'), files: proven(1, 'LOG').files.map(file => ({ ...file, markLsn: null })) },
      false,
    ],
    ['not while a row names a database that nobody has published', unplaced(proven(1, 'FULL')), false],
    ['though a server with two spellings has two rows of a database', doubled(proven(1, 'LOG')), true],
  ])('%s', (_what, set, settled) => {
    expect(isSettled(judged(set))).toBe(settled);
  });
});

it('the size of a set is known when every header is', () => {
  expect(sizeOf(proven(1, 'FULL'))).toBe('8192');
  expect(sizeOf({ files: [...proven(1, 'FULL').files, ...setOf(1, 'FULL').files] })).toBe(null);
});
