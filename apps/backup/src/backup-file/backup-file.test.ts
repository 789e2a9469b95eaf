import { describe, expect, it } from '@jest/globals';
import { fileOf, header, lsnAt, setOf } from '../../test/ledger.ts';
import { afterCheck, fileReasons, withMark } from './backup-file.ts';

const log = fileOf(setOf(4, 'LOG'), 'BizTalkMsgBoxDb');
const when = { now: Date.parse('2026-11-21T10:30:10.000Z'), observeEveryMs: 30_000 };

describe('a look at a file', () => {
  it('verifies the backup that the row means, of several in the file', () => {
    const mine = header(4, 'LOG', 'BizTalkMsgBoxDb');
    const headers = [
      { ...header(3, 'LOG', 'BizTalkMsgBoxDb'), position: 1 },
      { ...mine, position: 2 },
      { ...header(4, 'LOG', 'BizTalkMgmtDb'), position: 3 },
      { ...header(4, 'FULL', 'BizTalkMsgBoxDb'), position: 4 },
      { ...header(5, 'LOG', 'BizTalkMsgBoxDb'), position: 5 },
    ];
    const marked = { ...log, markLsn: lsnAt(4, -10) };
    expect(afterCheck(marked, 'LOG', { kind: 'HEADERS', headers }, when)).toMatchObject({
      state: 'VERIFIED',
      position: 2,
      header: { backupSetUuid: mine.backupSetUuid, firstLsn: lsnAt(3), lastLsn: lsnAt(4) },
      checkedAt: '2026-11-21T10:30:10.000Z',
      nextCheckAt: '2026-11-21T10:30:40.000Z',
    });
    // Without a mark the newest of this database and type.
    expect(afterCheck(log, 'LOG', { kind: 'HEADERS', headers }, when).position).toBe(5);
  });

  it('misses the backup in a file that holds only others', () => {
    const headers = [header(4, 'LOG', 'BizTalkMgmtDb')];
    expect(afterCheck(log, 'LOG', { kind: 'HEADERS', headers }, when)).toMatchObject({
      state: 'MISSING',
      header: null,
    });
  });

  it('takes a header that says it is damaged, or another backup under the same name, for damage', () => {
    const good = header(4, 'LOG', 'BizTalkMsgBoxDb');
    const damaged = { kind: 'HEADERS', headers: [{ ...good, isDamaged: true }] } as const;
    expect(afterCheck(log, 'LOG', damaged, when).state).toBe('DAMAGED');
    const known = afterCheck(log, 'LOG', { kind: 'HEADERS', headers: [good] }, when);
    const other = {
      kind: 'HEADERS',
      headers: [{ ...good, backupSetUuid: header(9, 'LOG', 'BizTalkMgmtDb').backupSetUuid }],
    } as const;
    expect(afterCheck(known, 'LOG', other, when)).toMatchObject({ state: 'DAMAGED', header: known.header });
  });

  it('that fails says nothing about the file and comes again after one interval', () => {
    const finding = { kind: 'NO_ANSWER', problem: 'connect: refused' } as const;
    expect(afterCheck(log, 'LOG', finding, when)).toEqual({ ...log, nextCheckAt: '2026-11-21T10:30:40.000Z' });
  });

  it.each([
    ['2026-11-21T10:30:10.000Z', '2026-11-21T10:30:40.000Z'],
    ['2026-11-21T10:40:00.000Z', '2026-11-21T10:50:00.000Z'],
    ['2026-11-22T10:30:00.000Z', '2026-11-22T11:30:00.000Z'],
  ])('for one that is away comes at growing pauses: at %s, again at %s', (now, next) => {
    const finding = { kind: 'LOST', state: 'MISSING' } as const;
    expect(afterCheck(log, 'LOG', finding, { ...when, now: Date.parse(now) })).toMatchObject({
      state: 'MISSING',
      nextCheckAt: next,
    });
  });
});

describe('a mark', () => {
  const rows = (...lsns: number[]) =>
    lsns.map(offset => ({ lsn: lsnAt(4, offset), markedAtRecorded: '2026-11-21T10:04:00.500' }));

  it('is proven by the one row of its instance', () => {
    expect(withMark(log, rows(-10))).toMatchObject({
      markLsn: lsnAt(4, -10),
      markedAtRecorded: '2026-11-21T10:04:00.500',
    });
    expect(withMark(log, [])).toBe(log);
  });

  it('that comes twice is proven only by the row within the file', () => {
    expect(withMark(log, rows(-10, -2000)).markLsn).toBe(null);
    const headers = [header(4, 'LOG', 'BizTalkMsgBoxDb')];
    const read = afterCheck(log, 'LOG', { kind: 'HEADERS', headers }, when);
    expect(withMark(read, rows(-2000, -10)).markLsn).toBe(lsnAt(4, -10));
  });
});

describe('what keeps a file from being proof', () => {
  const verified = afterCheck(log, 'LOG', { kind: 'HEADERS', headers: [header(4, 'LOG', 'BizTalkMsgBoxDb')] }, when);
  it.each([
    ['nothing', { ...verified, markLsn: lsnAt(4, -10) }, []],
    ['no look yet and no mark', log, ['FILE_NOT_VERIFIED', 'MARK_UNPROVEN']],
    ['a mark in another file', { ...verified, markLsn: lsnAt(4) }, ['MARK_OUTSIDE_FILE']],
    ['loss', { ...log, state: 'MISSING' as const }, ['FILE_MISSING']],
  ])('%s', (_what, file, codes) => {
    expect(fileReasons(file, 'LOG').map(({ code }) => code)).toEqual(codes);
  });
});
