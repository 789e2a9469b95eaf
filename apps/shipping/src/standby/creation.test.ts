import { describe, expect, it } from '@jest/globals';
import { databases, full, group, groupId, known, log, source, target } from '../../test/estate.ts';
import { bytesToSeed, findingsOf, planStandby, type PlannedInstance, type StandbyRequest } from './creation.ts';

const folder = { source: 'D:\\Backup', sourceInstance: 'sql1', read: '/from', write: '/to', standby: 'E:\\Copies' };
const wanted: StandbyRequest['instances'][number] = {
  instanceId: target.instanceId,
  sourceInstances: ['sql1'],
  kind: 'COPY',
  folders: [folder],
};
const request: StandbyRequest = { groupId, site: 'Cork', mode: 'MANAGED', instances: [wanted] };
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
  const findings = (seen: Parameters<typeof findingsOf>[3], sets = [full(), log(2)].map(known)) =>
    findingsOf(planned(), group, sets, seen).map(({ kind }) => kind);
  const at = (productVersion: string, there: readonly { name: string; state: string }[] = []) =>
    new Map([[target.instanceId, { reachable: true as const, productVersion, databases: there }]]);

  it('finds nothing where all is well; a database that is being restored is no obstacle', () => {
    expect(findings(at('15.0.1', [{ name: 'BIZTALKMGMTDB', state: 'RESTORING' }]))).toEqual([]);
  });

  it('finds an older server, a database of the name, an instance that does not answer', () => {
    expect(findings(at('14.0.1'))).toEqual(['OlderSqlServer']);
    expect(findings(at('15.0.1', [{ name: 'biztalkmgmtdb', state: 'ONLINE' }]))).toEqual(['DatabaseAlreadyOnline']);
    expect(findings(new Map([[target.instanceId, { reachable: false, cause: 'no route' }]]))).toEqual([
      'InstanceUnreachable',
    ]);
    expect(findings(new Map())).toEqual(['InstanceUnreachable']);
  });

  it('finds each folder that no view covers, once', () => {
    const elsewhere = log(3, {
      files: log(3).files.map(file => ({ ...file, path: `F:\\Other\\${file.databaseName}.bak` })),
    });
    expect(findings(at('15.0.1'), [full(), elsewhere].map(known))).toEqual(['InvalidInput']);
  });

  it('counts the newest full of every database and the logs since', () => {
    expect(bytesToSeed(planned(), [full(1, 20), log(2), full(25, 35), log(3)].map(known))).toBe('4000');
    expect(bytesToSeed(planned(), [])).toBe('0');
  });
});
