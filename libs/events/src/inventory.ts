import { z } from 'zod';
import { contract, id, reason, time, version } from './contract.ts';

const databaseRole = z.enum([
  'MANAGEMENT',
  'MESSAGE_BOX_MASTER',
  'MESSAGE_BOX',
  'TRACKING',
  'SSO',
  'RULE_ENGINE',
  'BAM_PRIMARY_IMPORT',
  'BAM_ALERTS_APPLICATION',
  'BAM_ALERTS_INSTANCE',
  'BAM_STAR_SCHEMA',
  'BAM_ARCHIVE',
  'BAM_ANALYSIS',
  'CUSTOM',
  'OTHER',
]);

/** The whole of what is known about a group, after every change of it. */
export const groupObserved = contract({
  service: 'inventory',
  name: 'group.observed.v1',
  schema: z.object({
    groupId: id,
    version,
    name: z.string(),
    site: z.string(),
    observedAt: time,
    managementDatabaseId: id,
    /** `name` as the group's tables have it, `serverName` as the server calls itself. */
    instances: z.array(
      z.object({ instanceId: id, name: z.string(), serverName: z.string(), productVersion: z.string() }),
    ),
    databases: z.array(
      z.object({
        databaseId: id,
        name: z.string(),
        role: databaseRole,
        instanceId: id,
        inBackupJob: z.boolean(),
        /** null: it could not be seen. */
        state: z.string().nullable(),
        recoveryModel: z.string().nullable(),
        /** The server exactly as the group's tables have it: an alias as often as not (biztalk-dr.md §4.5). */
        storedServer: z.string().nullish(),
        /** adm_OtherBackupDatabases.DefaultDatabaseName, where it stands there. */
        otherName: z.string().nullish(),
      }),
    ),
    /** The BizTalk side of the group; null or left out: it could not be read. */
    platform: z
      .object({
        ssoServer: z.string().nullable(),
        computers: z.array(z.string()),
        hosts: z.array(z.object({ name: z.string(), kind: z.enum(['IN_PROCESS', 'ISOLATED']) })),
        hostInstances: z.array(z.object({ host: z.string(), computer: z.string(), enabled: z.boolean().nullable() })),
      })
      .nullish(),
    /**
     * What stands in the way of protecting every database of the group; empty: nothing was found. `problem` UNKNOWN: it could not be seen.
     * null or left out: the publisher did not look.
     */
    coverage: z.array(z.object({ database: z.string(), instance: z.string(), problem: z.string(), reason })).nullish(),
  }),
  key: payload => payload.groupId,
  subject: payload => payload.groupId,
});

export const sqlInstanceRegistered = contract({
  service: 'inventory',
  name: 'sqlInstance.registered.v1',
  schema: z.object({
    instanceId: id,
    version,
    name: z.string(),
    serverName: z.string(),
    site: z.string(),
    productVersion: z.string(),
  }),
  key: payload => payload.instanceId,
  subject: payload => payload.instanceId,
});

/** What users in restored databases need at an instance. Internal: names of logins are half of a way in. */
export const loginsObserved = contract({
  service: 'inventory',
  name: 'sqlInstance.loginsObserved.v1',
  audience: 'internal',
  schema: z.object({
    instanceId: id,
    version,
    serverName: z.string(),
    observedAt: time,
    /** null: they could not be read. `sid` hexadecimal, `kind` sys.server_principals.type_desc (SQL_LOGIN, WINDOWS_LOGIN, WINDOWS_GROUP). */
    logins: z
      .array(z.object({ name: z.string(), sid: z.string(), kind: z.string(), disabled: z.boolean() }))
      .nullable(),
  }),
  key: payload => payload.instanceId,
  subject: payload => payload.instanceId,
});

const jobStep = z.object({
  stepId: z.int(),
  name: z.string(),
  subsystem: z.string(),
  databaseName: z.string().nullable(),
  command: z.string().nullable(),
  onSuccessAction: z.int(),
  onSuccessStepId: z.int(),
  onFailAction: z.int(),
  onFailStepId: z.int(),
  retryAttempts: z.int(),
  retryIntervalMinutes: z.int(),
});

/** Codes and times as dbo.sysschedules has them. */
const jobSchedule = z.object({
  name: z.string(),
  enabled: z.boolean(),
  frequencyType: z.int(),
  frequencyInterval: z.int(),
  subdayType: z.int(),
  subdayInterval: z.int(),
  relativeInterval: z.int(),
  recurrenceFactor: z.int(),
  activeStartDate: z.int(),
  activeEndDate: z.int(),
  activeStartTime: z.int(),
  activeEndTime: z.int(),
});

/** Agent jobs as they would have to be made again. Internal: commands are their owners' texts. */
export const jobsObserved = contract({
  service: 'inventory',
  name: 'sqlInstance.jobsObserved.v1',
  audience: 'internal',
  schema: z.object({
    instanceId: id,
    version,
    serverName: z.string(),
    observedAt: time,
    /** null: they could not be read. */
    jobs: z
      .array(
        z.object({ name: z.string(), enabled: z.boolean(), steps: z.array(jobStep), schedules: z.array(jobSchedule) }),
      )
      .nullable(),
  }),
  key: payload => payload.instanceId,
  subject: payload => payload.instanceId,
});

/** How to reach an instance. Credentials travel as references only. */
export const instanceAddressed = contract({
  service: 'inventory',
  name: 'instance.addressed.v1',
  audience: 'internal',
  schema: z.object({
    instanceId: id,
    version,
    serverName: z.string(),
    address: z.object({
      server: z.string(),
      port: z.int().min(1).max(65535).nullable(),
      instanceName: z.string().nullable(),
      encrypt: z.boolean(),
      trustServerCertificate: z.boolean(),
      userRef: z.string(),
      passwordRef: z.string(),
    }),
  }),
  key: payload => payload.instanceId,
  subject: payload => payload.instanceId,
});
