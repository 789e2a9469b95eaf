import { describe, expect, it } from '@jest/globals';
import { databaseIds, group, instanceId, lsnAt } from '../../test/ledger.ts';
import { breaksChain, foreignReason, type MsdbRow, ofGroup, took } from './foreign-backup.ts';

const row: MsdbRow = {
  rowId: 7,
  backupSetUuid: '0198f2c4-0000-7000-8000-000000000077',
  databaseName: 'BizTalkMgmtDb',
  type: 'L',
  isCopyOnly: false,
  firstLsn: lsnAt(1),
  lastLsn: lsnAt(2),
  finishedAtRecorded: '2026-11-21T11:02:00.000',
  userName: 'CONTOSO\\backup',
  device: 'NUL',
};
const seen = (change: Partial<MsdbRow>) => ofGroup(group, instanceId, [{ ...row, ...change }], () => null);

describe('a backup that the job did not take', () => {
  it.each<[string, Partial<MsdbRow>, boolean, string]>([
    ['a log', {}, true, 'FOREIGN_LOG_BACKUP'],
    ['a log to a file', { device: 'D:\\x.trn' }, true, 'FOREIGN_LOG_BACKUP'],
    ['a log whose range msdb lacks', { firstLsn: null, lastLsn: null }, true, 'FOREIGN_LOG_BACKUP'],
    ['a copy-only log', { isCopyOnly: true }, false, 'FOREIGN_COPY'],
    ['a log while nothing was written', { lastLsn: lsnAt(1) }, false, 'FOREIGN_COPY'],
    ['a full', { type: 'D' }, false, 'FOREIGN_COPY'],
    ['a differential', { type: 'I' }, false, 'FOREIGN_COPY'],
    ['a file backup', { type: 'F' }, false, 'FOREIGN_COPY'],
  ])('%s', (_what, change, breaks, code) => {
    const [backup] = seen(change);
    expect(backup && breaksChain(backup)).toBe(breaks);
    expect(backup && foreignReason(backup).code).toBe(code);
  });

  it('is one of the group only on the instance of its database', () => {
    expect(seen({ databaseName: 'biztalkMGMTdb' })).toMatchObject([
      { databaseId: databaseIds.BizTalkMgmtDb, databaseName: 'BizTalkMgmtDb', type: 'LOG' },
    ]);
    expect(seen({ databaseName: 'Warehouse' })).toEqual([]);
    expect(ofGroup(group, databaseIds.BizTalkMgmtDb as never, [row], () => null)).toEqual([]);
  });

  it('took the log from its first LSN on and not its last', () => {
    const [backup] = seen({});
    expect([lsnAt(1, -1), lsnAt(1), lsnAt(2, -1), lsnAt(2)].map(lsn => backup && took(backup, lsn))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});
