import { describe, expect, it } from '@jest/globals';
import { databases, full, group, groupId, known, log, source, target } from '../../test/estate.ts';
import { bytesToSeed, planStandby, type PlannedInstance, type StandbyRequest } from './creation.ts';
import { findingsOf, type TargetObservation } from './finding.ts';

const folder = { source: 'D:\\Backup', sourceInstance: 'sql1', read: '/from', write: '/to', standby: 'E:\\Copies' };
const wanted: StandbyRequest['instances'][number] = {
  instanceId: target.instanceId,
  sourceInstances: ['sql1'],
  kind: 'COPY',
  folders: [folder],
};
const request: StandbyRequest = { groupId, site: 'Cork', mode: 'MANAGED', restAtMark: false, instances: [wanted] };
const instance = { ...target, productVersion: '16.0.1000.6' };
const with1 = (change: Partial<StandbyRequest['instances'][number]>) => ({
  ...request,
  instances: [{ ...wanted, ...change }],
});
const plan = (of: StandbyRequest, inGroup: typeof group | undefined = group) => planStandby(of, inGroup, [instance]);
const planned = (): readonly PlannedInstance[] => {
  const made = plan(request);
  if ('kind' in made) throw new Error(made.message);
  return made.instances;
};

describe('a request', () => {
  it("becomes the instances with their databases, under the servers' own names", () => {
    expect(planned()).toEqual([
      {
        instanceId: target.instanceId,
        instanceName: 'SQL2',
        sourceInstances: ['SQL1'],
        folders: [{ ...folder, sourceInstance: 'SQL1' }],
        databases: databases.map(database => ({ ...database, instanceId: source.instanceId })),
      },
    ]);
  });

  it.each([
    ['native mode', { ...request, mode: 'NATIVE' as const }, 'ModeNotAvailable'],
    ['an unknown instance', with1({ instanceId: source.instanceId }), 'NotYetKnown'],
    ['no instance', { ...request, instances: [] }, 'InvalidInput'],
    ['one instance twice', { ...request, instances: [wanted, wanted] }, 'InvalidInput'],
    ['direct transfer', with1({ kind: 'DIRECT' }), 'InvalidInput'],
    ['a source that is none', with1({ sourceInstances: ['SQL9'] }), 'InvalidInput'],
    ['a database that goes nowhere', with1({ sourceInstances: [] }), 'InvalidInput'],
    ['a copy without a place', with1({ folders: [{ ...folder, write: null }] }), 'InvalidInput'],
    ['a copy onto itself', with1({ folders: [{ ...folder, write: '/from' }] }), 'InvalidInput'],
    ['an empty site', { ...request, site: ' ' }, 'InvalidInput'],
  ])('is refused for %s', (_what, asked, kind) => {
    expect(plan(asked)).toMatchObject({ kind });
  });

  it.each([
    ['source', 'Backup'],
    ['source', 'D:Backup'],
    ['read', 'backups'],
    ['read', '/from/../elsewhere'],
    ['write', './to'],
    ['write', '\\\\share\\copies\\.. \\x'],
    ['standby', 'E:\\Copies\\..\\Data'],
    ['standby', 'E:/Copies/./x'],
  ])('is refused for a folder whose %s is %s', (field, path) => {
    expect(plan(with1({ folders: [{ ...folder, [field]: path }] }))).toMatchObject({
      kind: 'InvalidInput',
      field: `instances.0.transfer.folders.0.${field}`,
    });
  });

  it('is refused for a group that is not known, or known without databases', () => {
    expect(planStandby(request, undefined, [instance])).toMatchObject({ kind: 'NotYetKnown', id: groupId });
    expect(plan(request, { ...group, databases: [] })).toMatchObject({ kind: 'NotYetKnown', id: groupId });
  });

  it('is refused for an instance of the group itself', () => {
    const own = planStandby(with1({ instanceId: source.instanceId }), group, [{ ...source, productVersion: '15.0.1' }]);
    expect(own).toMatchObject({ kind: 'InvalidInput', field: 'instances.0.instanceId' });
  });
});

describe('the preflight', () => {
  const sets = [full(), log(2)].map(known);
  const findings = (seen: Parameters<typeof findingsOf>[3], of = sets) =>
    findingsOf(planned(), group, of, seen).map(found => (found.kind === 'Advice' ? found.reason.code : found.kind));
  type Reachable = Extract<TargetObservation, { reachable: true }>;
  const sound: Reachable = {
    reachable: true,
    productVersion: '15.0.1',
    databases: [],
    inDoubtResolution: 2,
    mayCreateDatabases: true,
    volumes: { known: true, availableBytes: ['4000', '10'] },
    folders: [{ readError: null, writeError: null, seenByInstance: true, freeBytes: '4000' }],
  };
  const at = (changes: Partial<Reachable> = {}) => new Map([[target.instanceId, { ...sound, ...changes }]]);
  const folderSeen = (changes: Partial<Reachable['folders'][number]>) =>
    at({ folders: [{ ...sound.folders[0]!, ...changes }] });

  it('finds nothing where all is well', () => {
    expect(findings(at())).toEqual([]);
  });

  it('finds an instance that does not answer', () => {
    expect(findings(new Map([[target.instanceId, { reachable: false, cause: 'no route' }]]))).toEqual([
      'InstanceUnreachable',
    ]);
    expect(findings(new Map())).toEqual(['InstanceUnreachable']);
  });

  const denied = { known: false as const, denied: true, cause: 'error 300' };
  it.each<[string, ReturnType<typeof at>, readonly string[]]>([
    ['an older server', at({ productVersion: '14.0.1' }), ['OlderSqlServer']],
    ['a newer server', at({ productVersion: '16.0.1' }), ['NEWER_SQL_SERVER']],
    ['a database online', at({ databases: [{ name: 'biztalkmgmtdb', state: 'ONLINE' }] }), ['DatabaseAlreadyOnline']],
    ['one in RESTORING', at({ databases: [{ name: 'BIZTALKMGMTDB', state: 'RESTORING' }] }), ['DATABASE_RESTORING']],
    ['a share out of reach', folderSeen({ readError: 'ENOENT' }), ['InvalidInput']],
    ['a folder it cannot write', folderSeen({ writeError: 'EACCES', seenByInstance: null }), ['InvalidInput']],
    ['a folder the instance does not see', folderSeen({ seenByInstance: false }), ['InvalidInput']],
    ['a missing right', at({ mayCreateDatabases: false }), ['RIGHTS_MISSING']],
    ['another missing right', at({ volumes: denied }), ['RIGHTS_MISSING', 'SPACE_UNKNOWN']],
    ['volumes nobody knows', at({ volumes: { known: true, availableBytes: [] } }), ['SPACE_UNKNOWN']],
    ['too little room for databases', at({ volumes: { known: true, availableBytes: ['3999'] } }), ['SPACE_SHORT']],
    ['too little room for copies', folderSeen({ freeBytes: '3999' }), ['SPACE_SHORT']],
    ['no presumption in doubt', at({ inDoubtResolution: 0 }), ['IN_DOUBT_NOT_SET']],
    ['none that could be read', at({ inDoubtResolution: null }), ['IN_DOUBT_NOT_SET']],
  ])('finds %s', (_what, seen, codes) => {
    expect(findings(seen)).toEqual(codes);
  });

  it('finds two instances that would decide differently', () => {
    const other = { ...planned()[0]!, instanceId: source.instanceId, instanceName: 'SQL3', databases: [] };
    const seen = new Map([...at(), [source.instanceId, { ...sound, inDoubtResolution: 1 }]]);
    expect(findingsOf([...planned(), other], group, sets, seen).map(({ reason }) => reason)).toMatchObject([
      { code: 'IN_DOUBT_DIFFERS', evidence: 'SQL2: 2, SQL3: 1' },
    ]);
  });

  it('finds each folder that no view covers, once', () => {
    const elsewhere = log(3, {
      files: log(3).files.map(file => ({ ...file, path: `F:\\Other\\${file.databaseName}.bak` })),
    });
    expect(findings(at(), [full(), elsewhere].map(known))).toEqual(['InvalidInput']);
  });

  it('counts the newest full of every database and the logs since', () => {
    expect(bytesToSeed(planned(), [full(1, 20), log(2), full(25, 35), log(3)].map(known))).toBe('4000');
    expect(bytesToSeed(planned(), [])).toBe('0');
  });
});
