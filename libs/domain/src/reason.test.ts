import { describe, expect, it } from '@jest/globals';
import { requireLsn } from './lsn.ts';
import { dateReasons, reason, reasonCodes } from './reason.ts';

const [before, now] = ['2026-03-01T10:00:00Z', '2026-03-01T10:15:00Z'];
const missing = reason('FILE_MISSING', { databaseName: 'SSODB', path: 'D:\\Backup\\x.bak' });

describe('reason', () => {
  it('carries its code, what is wrong, what to do and the evidence', () => {
    expect(missing).toMatchObject({ code: 'FILE_MISSING', evidence: 'D:\\Backup\\x.bak', since: null });
    expect(missing.message).toContain('SSODB');
    expect(missing.fix).not.toBe('');
  });

  it('names an open end of a gap', () => {
    const facts = { databaseName: 'SSODB', fromLsn: requireLsn('7') };
    expect(reason('CHAIN_GAP', { ...facts, toLsn: null }).evidence).toBe('from 7 to the mark');
    expect(reason('CHAIN_GAP', { ...facts, toLsn: requireLsn('9') }).evidence).toBe('from 7 to 9');
  });

  it('has codes in the one form that others may store', () => {
    for (const code of reasonCodes) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  });
});

describe('dateReasons', () => {
  it('keeps the date of a reason that stays and dates a new one', () => {
    const old = dateReasons([missing], [], before);
    const elsewhere = reason('FILE_MISSING', { databaseName: 'BizTalkMgmtDb', path: 'D:\\Backup\\y.bak' });
    const dated = dateReasons([missing, elsewhere], old, now);
    expect(dated.map(({ since }) => since)).toEqual([before, now]);
  });
});
