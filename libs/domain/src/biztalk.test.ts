import { describe, expect, it } from '@jest/globals';
import { backupJobName, databasesOfGroup, type GroupRows } from './biztalk.ts';

const rows: GroupRows = {
  management: { server: 'SQL1', databaseName: 'BizTalkMgmtDb' },
  group: {
    trackingServer: 'SQL2',
    trackingDatabase: 'BizTalkDTADb',
    subscriptionServer: 'sql1',
    subscriptionDatabase: 'BizTalkMsgBoxDb',
    bamServer: '',
    bamDatabase: 'BAMPrimaryImport',
    ruleEngineServer: null,
    ruleEngineDatabase: null,
  },
  messageBoxes: [
    { server: 'SQL1', databaseName: 'BizTalkMsgBoxDb', isMaster: true },
    { server: 'SQL2', databaseName: 'Box2', isMaster: false },
  ],
  otherDatabases: [
    { defaultName: 'SSO', databaseName: 'SSODB_Renamed', server: 'SQL1' },
    { defaultName: 'Orders', databaseName: 'Orders', server: 'SQL2' },
    { defaultName: 'Unplaced', databaseName: 'Unplaced', server: null },
  ],
};
const listed = (changes: Partial<GroupRows> = {}) =>
  databasesOfGroup({ ...rows, ...changes }).map(
    ({ role, server, databaseName }) => `${role} ${server}.${databaseName}`,
  );

describe('databasesOfGroup', () => {
  it('names what the rows name, whatever the databases are called, each place once', () => {
    expect(listed()).toEqual([
      'MANAGEMENT SQL1.BizTalkMgmtDb',
      'MESSAGE_BOX_MASTER SQL1.BizTalkMsgBoxDb',
      'MESSAGE_BOX SQL2.Box2',
      'TRACKING SQL2.BizTalkDTADb',
      'SSO SQL1.SSODB_Renamed',
      'CUSTOM SQL2.Orders',
    ]);
  });

  it('keeps two spellings of one server apart, as the job does', () => {
    const alias = { ...rows.group, subscriptionServer: 'SQL1,1433' };
    expect(listed({ group: alias })).toContain('MESSAGE_BOX_MASTER SQL1,1433.BizTalkMsgBoxDb');
  });
});

it('names the backup job after the Management database', () => {
  expect(backupJobName('BizTalkMgmtDb')).toBe('Backup BizTalk Server (BizTalkMgmtDb)');
});
