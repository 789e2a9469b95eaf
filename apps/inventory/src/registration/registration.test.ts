import { describe, expect, it } from '@jest/globals';
import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import { namedDatabases } from '../estate/estate.ts';
import { memberDatabases } from './registration.ts';

const nowhere = { bamServer: null, bamDatabase: null, ruleEngineServer: null, ruleEngineDatabase: null };
const rows = {
  management: { server: 'SQL1', databaseName: 'Mgmt' },
  group: {
    ...nowhere,
    trackingServer: 'sql2',
    trackingDatabase: 'Tracking',
    subscriptionServer: 'SQL1',
    subscriptionDatabase: 'Box',
  },
  messageBoxes: [{ server: 'SQL1', databaseName: 'Box', isMaster: true }],
  otherDatabases: [
    { defaultName: 'SSO', databaseName: 'SSODB', server: 'ALIAS2' },
    // The same database as adm_Group has it, by another spelling of its server.
    { defaultName: 'BizTalkDTADb', databaseName: 'Tracking', server: 'ALIAS2' },
    { defaultName: 'Orders', databaseName: 'orders', server: 'alias2' },
  ],
};
const covered = [
  { server: 'SQL1', databaseName: 'Mgmt' },
  { server: 'ALIAS2', databaseName: 'Orders' },
  { server: 'SQL1', databaseName: 'Stray' },
];

describe('the databases of a group', () => {
  it('keep the server as the tables have it, and their name among the other databases', () => {
    const instances = ['SQL1', 'SQL2', 'ALIAS2'].map(name => {
      const serverName = name === 'SQL1' ? 'SQL1' : 'SQL2';
      return { id: serverName as InstanceId, name, serverName, databases: [] };
    });
    const members = memberDatabases(
      'g' as GroupId,
      namedDatabases(rows, covered),
      instances,
      [],
      (name, server) => `${server}.${name}` as DatabaseId,
    );
    expect(
      members.map(({ name, instanceId, storedServer, otherName, inBackupJob }) => {
        return [name, instanceId, storedServer, otherName, inBackupJob];
      }),
    ).toEqual([
      ['Mgmt', 'SQL1', 'SQL1', null, true],
      ['Box', 'SQL1', 'SQL1', null, false],
      ['Tracking', 'SQL2', 'sql2', 'BizTalkDTADb', false],
      ['SSODB', 'SQL2', 'ALIAS2', 'SSO', false],
      ['orders', 'SQL2', 'alias2', 'Orders', true],
      ['Stray', 'SQL1', 'SQL1', null, true],
    ]);
  });
});
