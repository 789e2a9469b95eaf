import { describe, expect, it } from '@jest/globals';
import type { CoverageFinding } from '../coverage/coverage.ts';
import { type GroupNews, toldOfGroup } from './group-news.ts';

const finding: CoverageFinding = {
  database: 'Orders',
  instance: 'SQL1',
  problem: 'UNKNOWN',
  reason: {
    code: 'INSTANCE_OUTDATED',
    message: 'm',
    fix: 'f',
    evidence: 'no answer',
    since: '2026-11-21T10:00:00.000Z',
  },
};
const other: CoverageFinding = {
  database: 'Billing',
  instance: 'SQL1',
  problem: 'NOT_ONLINE',
  reason: { code: 'NOT_ONLINE', message: 'm', fix: 'f', evidence: null, since: null },
};
const instances = [
  { instanceId: 'i1', name: 'SQL1', serverName: 'SQL1', productVersion: '16.0.1' },
  { instanceId: 'i1', name: 'ALIAS', serverName: 'SQL1', productVersion: '16.0.1' },
];
const [first, alias] = instances as [(typeof instances)[0], (typeof instances)[0]];
const database = (change: Partial<GroupNews['databases'][number]> = {}): GroupNews['databases'][number] => ({
  databaseId: 'd1',
  name: 'Orders',
  role: 'CUSTOM',
  instanceId: 'i1',
  inBackupJob: true,
  state: 'ONLINE',
  recoveryModel: 'FULL',
  storedServer: 'SQL1',
  otherName: null,
  ...change,
});
const second = database({ databaseId: 'd2', name: 'Billing' });
const platform = {
  ssoServer: 'BTS1',
  computers: ['BTS1', 'DRBTS1'],
  hosts: [
    { name: 'Receive', kind: 'IN_PROCESS' as const },
    { name: 'Web', kind: 'ISOLATED' as const },
  ],
  hostInstances: [
    { host: 'Receive', computer: 'BTS1', enabled: true },
    { host: 'Receive', computer: 'DRBTS1', enabled: false },
  ],
};
const { ssoServer, computers, hosts, hostInstances } = platform;
const news: GroupNews = {
  groupId: 'g',
  name: 'Orders',
  site: 'Dublin',
  managementDatabaseId: 'd1',
  instances,
  databases: [database(), second],
  platform,
  coverage: [finding, other],
};
const because = (change: Partial<CoverageFinding['reason']>) => ({
  ...finding,
  reason: { ...finding.reason, ...change },
});

describe('what is told of a group', () => {
  it.each<readonly [string, Partial<GroupNews>]>([
    ['the order of databases', { databases: [second, database()] }],
    ['the order of instances', { instances: [alias, first] }],
    ['the order of findings', { coverage: [other, finding] }],
    [
      'the order of the platform',
      {
        platform: {
          ssoServer,
          computers: computers.toReversed(),
          hosts: hosts.toReversed(),
          hostInstances: hostInstances.toReversed(),
        },
      },
    ],
    ['the evidence of a finding', { coverage: [because({ evidence: 'another error' }), other] }],
    ['since when', { coverage: [because({ since: '2026-11-21T10:00:30.000Z' }), other] }],
    ['the words of a reason', { coverage: [because({ message: 'other', fix: 'other' }), other] }],
  ])('is no news by %s', (_what, change) => {
    expect(toldOfGroup({ ...news, ...change })).toBe(toldOfGroup(news));
  });

  it.each<readonly [string, Partial<GroupNews>]>([
    ['a finding that is gone', { coverage: [other] }],
    ['a finding that came', { coverage: [finding, other, { ...other, database: 'Claims' }] }],
    ['no finding any more', { coverage: [] }],
    ['another problem', { coverage: [{ ...finding, problem: 'NOT_IN_JOB' }, other] }],
    ['another instance', { coverage: [{ ...finding, instance: 'SQL2' }, other] }],
    ['another reason', { coverage: [because({ code: 'INSTANCE_NOT_READ' }), other] }],
    ['a state', { databases: [database({ state: 'OFFLINE' }), second] }],
    ['a state that cannot be seen', { databases: [database({ state: null }), second] }],
    ['a recovery model', { databases: [database({ recoveryModel: 'SIMPLE' }), second] }],
    ['a database in the job', { databases: [database({ inBackupJob: false }), second] }],
    ['a role', { databases: [database({ role: 'OTHER' }), second] }],
    ['another spelling of the server', { databases: [database({ storedServer: 'ALIAS' }), second] }],
    ['a server that was not kept', { databases: [database({ storedServer: null }), second] }],
    ['a name among the others', { databases: [database({ otherName: 'SSO' }), second] }],
    ['a platform that cannot be read', { platform: null }],
    ['another SSO server', { platform: { ...platform, ssoServer: 'BTS2' } }],
    ['no SSO server', { platform: { ...platform, ssoServer: null } }],
    ['a computer that is gone', { platform: { ...platform, computers: ['BTS1'] } }],
    ['a host that is gone', { platform: { ...platform, hosts: hosts.slice(1) } }],
    ['a kind of host', { platform: { ...platform, hosts: hosts.map(each => ({ ...each, kind: 'ISOLATED' })) } }],
    ['a host instance that is gone', { platform: { ...platform, hostInstances: hostInstances.slice(1) } }],
    [
      'a switch of a host instance',
      { platform: { ...platform, hostInstances: hostInstances.map(each => ({ ...each, enabled: true })) } },
    ],
    ['a move to another instance', { databases: [database({ instanceId: 'i2' }), second] }],
    ['a database that is gone', { databases: [second] }],
    ['a version of the server', { instances: [{ ...first, productVersion: '16.0.2' }, alias] }],
    ['a name of an instance', { instances: [first] }],
    ['the name', { name: 'Claims' }],
    ['the site', { site: 'Cork' }],
    ['the Management database', { managementDatabaseId: 'd2' }],
  ])('is news by %s', (_what, change) => {
    expect(toldOfGroup({ ...news, ...change })).not.toBe(toldOfGroup(news));
  });
});
