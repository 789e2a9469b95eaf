import { describe, expect, it } from '@jest/globals';
import type { GroupTables, NamedDatabase, SeenDatabase } from '../estate/estate.ts';
import { type CoverageInput, type CoverageInstance, coverageOf, inAvailabilityGroup } from './coverage.ts';

const fine = {
  state: 'ONLINE',
  recoveryModel: 'FULL',
  inAvailabilityGroup: false,
  isEncrypted: false,
  missingBackupObjects: [],
};
const seen = (name: string, change: Partial<SeenDatabase> = {}): SeenDatabase => ({ ...fine, name, ...change });
const named = (databaseName: string, change: Partial<NamedDatabase> = {}): NamedDatabase => ({
  server: 'SQL1',
  databaseName,
  otherName: null,
  role: 'CUSTOM',
  inBackupJob: true,
  ...change,
});
const sso = named('SSODB', { role: 'SSO' });
const instance = (databases: readonly SeenDatabase[] | null, change: Partial<CoverageInstance> = {}) => ({
  name: 'SQL1',
  serverName: 'SQL1',
  databases,
  outdated: null,
  ...change,
});
const tables = (databases: readonly NamedDatabase[], change: Partial<GroupTables> = {}): GroupTables => ({
  databases,
  unplaced: [],
  ssoServer: null,
  platform: null,
  unread: [],
  ...change,
});
const input = (change: Partial<CoverageInput> = {}): CoverageInput => ({
  management: { database: 'Mgmt', instance: 'SQL1' },
  tables: tables([sso, named('Orders')]),
  tablesOutdated: null,
  instances: [instance([seen('SSODB'), seen('Orders'), seen('master', { recoveryModel: 'SIMPLE' })])],
  awaited: [],
  isOfAnotherGroup: () => false,
  ...change,
});
/** The group of `input`, with Orders shown like this. */
const orders = (change: Partial<SeenDatabase>) =>
  input({ instances: [instance([seen('SSODB'), seen('Orders', change)])] });

const long = { observedAt: '2026-11-21T10:00:00.000Z', error: 'no answer' };

const cases: readonly (readonly [string, CoverageInput, readonly string[]])[] = [
  ['nothing to say', input(), []],
  ['letter case is no difference', input({ tables: tables([sso, named('ORDERS', { server: 'sql1' })]) }), []],
  [
    'placed, and not in the view',
    input({ tables: tables([sso, named('Orders', { inBackupJob: false })]) }),
    ['SQL1.Orders NOT_IN_JOB NOT_IN_JOB'],
  ],
  [
    'placed under a spelling that the view does not have, covered under another',
    input({
      tables: tables([
        sso,
        named('Orders', { server: 'ALIAS', inBackupJob: false }),
        named('Orders', { role: 'OTHER' }),
      ]),
      instances: [
        instance([seen('SSODB'), seen('Orders')]),
        instance([seen('SSODB'), seen('Orders')], { name: 'ALIAS' }),
      ],
    }),
    [],
  ],
  [
    'a row without a server',
    input({ tables: tables([sso, named('Orders')], { unplaced: ['Billing'] }) }),
    ['.Billing NOT_IN_JOB ROW_WITHOUT_SERVER'],
  ],
  [
    'no row for the SSO database',
    input({ tables: tables([named('Orders')], { ssoServer: 'SSOHOST' }), instances: [instance([seen('Orders')])] }),
    ['SSOHOST.SSODB NOT_IN_JOB SSO_ROW_MISSING'],
  ],
  [
    'no row for the SSO database, which is there',
    input({ tables: tables([named('Orders')], { ssoServer: 'SSOHOST' }) }),
    ['SQL1.SSODB NOT_IN_JOB SSO_ROW_MISSING'],
  ],
  [
    'a row for the SSO database without a server',
    input({ tables: tables([named('Orders')], { unplaced: ['SSODB'] }) }),
    ['.SSODB NOT_IN_JOB ROW_WITHOUT_SERVER'],
  ],
  [
    'a default name that no table names, and one outside of the job by design',
    input({
      instances: [instance([seen('SSODB'), seen('Orders'), seen('BAMAlertsApplication'), seen('BAMStarSchema')])],
    }),
    ['SQL1.BAMAlertsApplication NOT_IN_JOB UNNAMED_DATABASE_SEEN'],
  ],
  [
    'a default name that belongs to another group',
    input({
      instances: [instance([seen('SSODB'), seen('Orders'), seen('BizTalkDTADb')])],
      isOfAnotherGroup: (serverName, database) => serverName === 'SQL1' && database === 'BizTalkDTADb',
    }),
    [],
  ],
  [
    'in the view, and not there',
    input({ instances: [instance([seen('SSODB')])] }),
    ['SQL1.Orders IN_JOB_BUT_MISSING IN_JOB_BUT_MISSING'],
  ],
  [
    'twice in the view under two names of one server',
    input({
      tables: tables([sso, named('Orders'), named('Orders', { server: 'ALIAS' })]),
      instances: [
        instance([seen('SSODB'), seen('Orders')]),
        instance([seen('SSODB'), seen('Orders')], { name: 'ALIAS' }),
      ],
    }),
    ['SQL1.Orders LISTED_TWICE LISTED_TWICE'],
  ],
  [
    'namesakes on two servers',
    input({
      tables: tables([sso, named('Orders'), named('Orders', { server: 'SQL2' })]),
      instances: [
        instance([seen('SSODB'), seen('Orders')]),
        instance([seen('Orders')], { name: 'SQL2', serverName: 'SQL2' }),
      ],
    }),
    [],
  ],
  ['not full', orders({ recoveryModel: 'BULK_LOGGED' }), ['SQL1.Orders NOT_FULL_RECOVERY NOT_FULL_RECOVERY']],
  [
    'not online: what the job calls there cannot be asked',
    orders({ state: 'OFFLINE', missingBackupObjects: null }),
    ['SQL1.Orders NOT_ONLINE NOT_ONLINE'],
  ],
  [
    'procedures missing',
    orders({ missingBackupObjects: ['sp_SetMark'] }),
    ['SQL1.Orders PROCEDURES_MISSING PROCEDURES_MISSING'],
  ],
  ['procedures unread', orders({ missingBackupObjects: null }), ['SQL1.Orders UNKNOWN BACKUP_OBJECTS_UNREAD']],
  [
    'in an availability group',
    orders({ inAvailabilityGroup: true }),
    ['SQL1.Orders IN_AVAILABILITY_GROUP IN_AVAILABILITY_GROUP'],
  ],
  ['encrypted', orders({ isEncrypted: true }), ['SQL1.Orders ENCRYPTED ENCRYPTED']],
  [
    'protection unread',
    orders({ inAvailabilityGroup: null, isEncrypted: null }),
    ['SQL1.Orders UNKNOWN PROTECTION_UNREAD'],
  ],
  [
    'several at once',
    orders({ state: 'SUSPECT', recoveryModel: 'SIMPLE', isEncrypted: true }),
    [
      'SQL1.Orders NOT_ONLINE NOT_ONLINE',
      'SQL1.Orders NOT_FULL_RECOVERY NOT_FULL_RECOVERY',
      'SQL1.Orders ENCRYPTED ENCRYPTED',
    ],
  ],
  [
    'a server without an address',
    input({ tables: tables([sso, named('Orders', { server: 'SQL2' })]) }),
    ['SQL2.Orders UNRESOLVED_SERVER INSTANCE_NOT_ADDRESSED'],
  ],
  [
    'a server that never answered',
    input({
      tables: tables([sso, named('Orders', { server: 'SQL2' })]),
      awaited: [{ name: 'sql2', databaseNames: ['Orders'], problem: 'no answer' }],
    }),
    ['SQL2.Orders UNRESOLVED_SERVER INSTANCE_NOT_SEEN'],
  ],
  [
    'an instance that was not seen for too long: what was seen stays, and is no proof',
    input({
      instances: [instance([seen('SSODB'), seen('Orders', { state: 'OFFLINE' })], { outdated: long })],
    }),
    [
      'SQL1.SSODB UNKNOWN INSTANCE_OUTDATED',
      'SQL1.Orders UNKNOWN INSTANCE_OUTDATED',
      'SQL1.Orders NOT_ONLINE NOT_ONLINE',
    ],
  ],
  [
    'an instance of which nothing was kept',
    input({ instances: [instance(null)] }),
    ['SQL1.SSODB UNKNOWN INSTANCE_NOT_READ', 'SQL1.Orders UNKNOWN INSTANCE_NOT_READ'],
  ],
  ['tables that were not read', input({ tables: null }), ['SQL1.Mgmt UNKNOWN TABLES_NOT_READ']],
  ['tables not read for too long', input({ tablesOutdated: long }), ['SQL1.Mgmt UNKNOWN TABLES_OUTDATED']],
];

describe('coverage', () => {
  it.each(cases)('%s', (_name, given, expected) => {
    const findings = coverageOf(given);
    expect(
      findings.map(({ database, instance: on, problem, reason }) => `${on}.${database} ${problem} ${reason.code}`),
    ).toEqual(expected);
    for (const { reason } of findings) expect([reason.message, reason.fix].every(text => text !== '')).toBe(true);
  });

  it('says since when an instance was not seen, and why', () => {
    const findings = coverageOf(input({ instances: [instance([seen('SSODB'), seen('Orders')], { outdated: long })] }));
    expect(findings[0]?.reason).toMatchObject({ since: long.observedAt, evidence: long.error });
  });

  it('names the databases for which a group is refused', () => {
    expect(inAvailabilityGroup(coverageOf(orders({ inAvailabilityGroup: true })))).toEqual(['SQL1.Orders']);
    expect(inAvailabilityGroup(coverageOf(orders({ isEncrypted: true })))).toEqual([]);
  });
});
