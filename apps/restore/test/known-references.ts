/** What is known of a group beside its databases, for the steps after recovery. */
import type { MarkName } from '@holdfast/domain/mark';
import type { Estate, GroupView, JobsView, LoginsView } from '../src/estate/estate.ts';
import type { Job, ReferenceFacts } from '../src/reference/facts.ts';
import { estate, marks, type Shape } from './estate-of-two.ts';

type Role = GroupView['databases'][number]['role'];
type Platform = NonNullable<GroupView['platform']>;

const roles: Readonly<Record<string, Role>> = {
  BizTalkMgmtDb: 'MANAGEMENT',
  BizTalkMsgBoxDb: 'MESSAGE_BOX_MASTER',
  BizTalkMsgBoxDb2: 'MESSAGE_BOX',
  BizTalkDTADb: 'TRACKING',
  SSODB: 'SSO',
  BizTalkRuleEngineDb: 'RULE_ENGINE',
  BAMPrimaryImport: 'BAM_PRIMARY_IMPORT',
  BAMAlertsApplication: 'BAM_ALERTS_APPLICATION',
  BAMAlertsNSMain: 'BAM_ALERTS_INSTANCE',
};

export const platform: Platform = {
  ssoServer: 'BTS1',
  computers: ['BTS1', 'DRBTS1'],
  hosts: [
    { name: 'Receive', kind: 'IN_PROCESS' },
    { name: 'Web', kind: 'ISOLATED' },
  ],
  hostInstances: [
    { host: 'Receive', computer: 'BTS1', enabled: true },
    { host: 'Web', computer: 'BTS1', enabled: true },
    { host: 'Receive', computer: 'DRBTS1', enabled: false },
  ],
};

/** With the role of each database, and its server as the group's tables spell it: everything else is custom. */
export function groupWithRoles(shape: Shape, storedServer: (source: string) => string = source => source): Estate {
  const known = estate({ shape });
  const nameOf = (instanceId: string) =>
    known.group.instances.find(instance => instance.instanceId === instanceId)?.name ?? '';
  const databases = known.group.databases.map(database => ({
    ...database,
    role: roles[database.name] ?? ('CUSTOM' as const),
    storedServer: storedServer(nameOf(database.instanceId)),
  }));
  return { ...known, group: { ...known.group, databases, platform } };
}

export function job(name: string, changes: Partial<Job> = {}): Job {
  const step = {
    stepId: 1,
    name: 'only',
    subsystem: 'TSQL',
    databaseName: 'master',
    command: 'SELECT 1;',
    onSuccessAction: 1,
    onSuccessStepId: 0,
    onFailAction: 2,
    onFailStepId: 0,
    retryAttempts: 0,
    retryIntervalMinutes: 0,
  };
  return { name, enabled: true, steps: [step], schedules: [], ...changes };
}

export function jobsOf(instanceId: string, jobs: JobsView['jobs']): readonly [string, JobsView] {
  return [instanceId, { instanceId, version: 1, serverName: 'X', observedAt: '2026-11-21T04:31:00.000Z', jobs }];
}

export function login(name: string, sid: string, kind = 'SQL_LOGIN') {
  return { name, sid, kind, disabled: false };
}

export function loginsOf(instanceId: string, logins: LoginsView['logins']): readonly [string, LoginsView] {
  return [instanceId, { instanceId, version: 1, serverName: 'X', observedAt: '2026-11-21T04:31:00.000Z', logins }];
}

/** Nothing differs and no job was there. */
export function factsOf(shape: Shape, changes: Partial<ReferenceFacts> = {}): ReferenceFacts {
  const { group, standby } = groupWithRoles(shape);
  const instances = shape.places.flatMap(({ sourceId, standbyInstanceId }) => [sourceId, standbyInstanceId]);
  return {
    group,
    standby,
    jobs: new Map(instances.map(id => jobsOf(id, []))),
    logins: new Map(instances.map(id => loginsOf(id, []))),
    mark: marks[2] as MarkName,
    ...changes,
  };
}
