import { describe, expect, it } from '@jest/globals';
import { purposeOf } from './agent-job.ts';

describe('the purpose of a job', () => {
  it.each([
    ['Backup BizTalk Server (BizTalkMgmtDb)', 'BACKUP', true],
    ['backup biztalk server (Renamed_Mgmt)', 'BACKUP', true],
    ['Backup BizTalk Server', 'BACKUP', true],
    ['Backup BizTalk Servers of the whole farm', 'OTHER', null],
    ['My Backup BizTalk Server', 'OTHER', null],
    ['DTA Purge and Archive (BizTalkDTADb)', 'DTA_PURGE', null],
    ['Monitor BizTalk Server (BizTalkMgmtDb)', 'MONITOR', true],
    ['MessageBox_Message_Cleanup_BizTalkMsgBoxDb', 'MESSAGE_BOX_CLEANUP', false],
    ['MessageBox_Message_ManageRefCountLog_BizTalkMsgBoxDb', 'OTHER', true],
    ['MessageBox_Parts_Cleanup_BizTalkMsgBoxDb', 'OTHER', true],
    ['MessageBox_DeadProcesses_Cleanup_BizTalkMsgBoxDb', 'OTHER', true],
    ['CleanupBTFExpiredEntriesJob_BizTalkMgmtDb', 'OTHER', true],
    ['Operations_OperateOnInstances_OnMaster_BizTalkMsgBoxDb', 'OTHER', true],
    ['DelAlertHistJob', 'OTHER', true],
    ['BTS Log Shipping - Get Backup History', 'LOG_SHIPPING_HISTORY', true],
    ['BTS Log Shipping Get Backup History', 'LOG_SHIPPING_HISTORY', true],
    ['BTS Log Shipping - Restore Databases', 'LOG_SHIPPING_RESTORE', true],
    ['BTS Server Log Shipping Restore Databases', 'LOG_SHIPPING_RESTORE', true],
    ['BTS Log Shipping Restore Database', 'LOG_SHIPPING_RESTORE', true],
    ['BTS Log Shipping - Restore To Mark', 'LOG_SHIPPING_MARK', null],
    ['BTS Log Shipping - something else', 'OTHER', null],
    ['LSRestore_BTS_Log', 'OTHER', null],
    ['syspolicy_purge_history', 'OTHER', null],
  ])('%s', (name, purpose, expectedEnabled) => {
    expect(purposeOf(name)).toEqual({ purpose, expectedEnabled });
  });
});
