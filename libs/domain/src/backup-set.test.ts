import { describe, expect, it } from '@jest/globals';
import { databases, file, lsn } from '../test/sets.ts';
import { compareSetNumbers, isLost, isWhole, judgeSet, type BackupFile, type SetEvidence } from './backup-set.ts';

const rows = (setComplete: boolean, ...names: readonly string[]) =>
  names.map(databaseName => ({ databaseName, setComplete }));
const files = (changes: Partial<BackupFile> = {}) =>
  databases.map(name => file(4, name, 40, 50, { markLsn: lsn(45), ...changes }));
const evidence: SetEvidence = {
  type: 'LOG',
  rows: rows(true, ...databases),
  seenBefore: true,
  coveredDatabases: databases,
  jobRunning: false,
  higherSetExists: false,
  files: files(),
  brokenLogSetBefore: null,
};
const codes = (changes: Partial<SetEvidence>) => {
  const { state, reasons } = judgeSet({ ...evidence, ...changes });
  return [state, ...new Set(reasons.map(({ code }) => code))];
};

describe('judgeSet', () => {
  it.each<[string, Partial<SetEvidence>, string[]]>([
    ['all proven', {}, ['VERIFIED']],
    ['a full needs no mark', { type: 'FULL', files: files({ markLsn: null }) }, ['VERIFIED']],
    ['nobody knows what the job covered then', { coveredDatabases: null }, ['VERIFIED']],
    ['names in another letter case', { coveredDatabases: ['SSODB', 'biztalkmgmtdb'] }, ['VERIFIED']],

    ['SetComplete alone', { files: [] }, ['COMPLETE', 'FILE_NOT_VERIFIED']],
    ['one file not looked at', { files: files().slice(1) }, ['COMPLETE', 'FILE_NOT_VERIFIED']],
    ['files only seen', { files: files({ state: 'PRESENT' }) }, ['COMPLETE', 'FILE_NOT_VERIFIED']],
    ['no header', { files: files({ header: null }) }, ['COMPLETE', 'FILE_NOT_VERIFIED']],
    ['no row in logmarkhistory', { files: files({ markLsn: null }) }, ['COMPLETE', 'MARK_UNPROVEN']],
    [
      'the mark at the end of the file is outside',
      { files: files({ markLsn: lsn(50) }) },
      ['COMPLETE', 'MARK_OUTSIDE_FILE'],
    ],
    ['the mark at the start is inside', { files: files({ markLsn: lsn(40) }) }, ['VERIFIED']],

    ['the job is writing', { rows: rows(false, 'SSODB'), jobRunning: true, files: [] }, ['RUNNING', 'SET_RUNNING']],
    ['nobody sees the job', { rows: rows(false, 'SSODB'), jobRunning: null, files: [] }, ['RUNNING', 'SET_UNDECIDED']],
    ['the job has ended', { rows: rows(false, 'SSODB'), files: [] }, ['PARTIAL', 'SET_PARTIAL']],
    [
      'the job writes a later set',
      { rows: rows(false, 'SSODB'), jobRunning: true, higherSetExists: true, files: [] },
      ['PARTIAL', 'SET_PARTIAL'],
    ],
    [
      'one row not complete',
      { rows: [...rows(true, 'SSODB'), ...rows(false, 'BizTalkMgmtDb')] },
      ['PARTIAL', 'SET_PARTIAL'],
    ],
    [
      'a covered database is missing',
      { rows: rows(true, 'SSODB'), files: files().slice(1) },
      ['PARTIAL', 'DATABASE_MISSING_FROM_SET'],
    ],
    [
      'one of two of the same name is missing',
      { coveredDatabases: [...databases, 'SSODB'] },
      ['PARTIAL', 'DATABASE_MISSING_FROM_SET'],
    ],
    [
      'partial with a lost file',
      { rows: rows(false, 'SSODB'), files: files({ state: 'MISSING' }) },
      ['PARTIAL', 'SET_PARTIAL', 'FILE_MISSING'],
    ],

    ['a file is gone', { files: files({ state: 'MISSING' }) }, ['SUSPECT', 'FILE_MISSING']],
    ['a file is damaged', { files: files({ state: 'DAMAGED' }) }, ['SUSPECT', 'FILE_DAMAGED']],
    ['a file cannot be read', { files: files({ state: 'UNREADABLE', header: null }) }, ['SUSPECT', 'FILE_UNREADABLE']],
    [
      'suspect weighs more than orphaned',
      { files: files({ state: 'MISSING' }), brokenLogSetBefore: '3' },
      ['SUSPECT', 'FILE_MISSING'],
    ],

    ['behind a broken log set', { brokenLogSetBefore: '3' }, ['ORPHANED', 'SET_ORPHANED']],
    ['a full is never orphaned', { type: 'FULL', brokenLogSetBefore: '3' }, ['VERIFIED']],

    ['an id without rows', { rows: [], seenBefore: false, files: [] }, ['VOID', 'SET_VOID']],
    ['rows that were there', { rows: [] }, ['PURGED', 'SET_PURGED']],
  ])('%s', (_, changes, expected) => {
    expect(codes(changes)).toEqual(expected);
  });

  it('names each database concerned', () => {
    const { reasons } = judgeSet({ ...evidence, files: files({ markLsn: null }) });
    expect(reasons.map(({ message }) => message)).toEqual(databases.map(name => expect.stringContaining(name)));
  });
});

it('orders set numbers as numbers, beyond what a JavaScript number holds', () => {
  const numbers = ['10', '9', '9223372036854775807', '9223372036854775806'].map(number => ({ number }));
  expect(numbers.toSorted(compareSetNumbers).map(({ number }) => number)).toEqual([
    '9',
    '10',
    '9223372036854775806',
    '9223372036854775807',
  ]);
});

it('knows what is lost and what is whole', () => {
  const states = ['PRESENT', 'VERIFIED', 'MISSING', 'DAMAGED', 'UNREADABLE', 'UNKNOWN'] as const;
  expect(states.filter(isLost)).toEqual(['MISSING', 'DAMAGED', 'UNREADABLE']);
  const setStates = ['RUNNING', 'COMPLETE', 'VERIFIED', 'PARTIAL', 'SUSPECT', 'ORPHANED', 'VOID', 'PURGED'] as const;
  expect(setStates.filter(isWhole)).toEqual(['COMPLETE', 'VERIFIED']);
});
