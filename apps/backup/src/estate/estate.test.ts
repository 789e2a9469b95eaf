import { describe, expect, it } from '@jest/globals';
import { databaseIds, group, instanceId } from '../../test/ledger.ts';
import { placeOf } from './estate.ts';

const other = '0198f2c4-0000-7000-8000-000000000009';
const twice = {
  ...group,
  instances: [
    ...group.instances,
    { instanceId: other, name: 'SQLTWO', serverName: 'SECOND\\BTS', productVersion: '16.0' },
  ],
  databases: [...group.databases, { ...group.databases[1]!, databaseId: other, instanceId: other }],
};

describe('the place of a row', () => {
  it.each([
    ['by name, whatever the row calls its server', group, 'biztalkmsgboxdb', 'OLDALIAS', databaseIds.BizTalkMsgBoxDb],
    ['by the name in the tables, of two databases of one name', twice, 'BizTalkMsgBoxDb', 'sqltwo', other],
    ['by the real name of the server', twice, 'BizTalkMsgBoxDb', 'PRIMARY\\BTS', databaseIds.BizTalkMsgBoxDb],
    ['nowhere, of two of one name on a server nobody knows', twice, 'BizTalkMsgBoxDb', null, undefined],
    ['nowhere, of a database nobody has published', group, 'SSODB', 'SQLALIAS', undefined],
  ])('is found %s', (_what, known, databaseName, serverName, databaseId) => {
    expect(placeOf(known, { databaseName, serverName })?.databaseId).toBe(databaseId);
  });
  it('carries the instance by its real name', () => {
    expect(placeOf(group, { databaseName: 'BizTalkMgmtDb', serverName: null })).toMatchObject({
      instanceId,
      sourceInstance: 'PRIMARY\\BTS',
    });
  });
});
