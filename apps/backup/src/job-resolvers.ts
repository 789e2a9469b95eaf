import { durationFromSeconds, observationOf } from '@holdfast/service/graphql';
import { holdMessage } from '@holdfast/service/source-hold';
import type { Resolvers, ResolversParentTypes } from '../generated/resolver-types.ts';
import { type ObservedJob, exposureOf } from './backup-job/backup-job.ts';
import { forceFullBackup, runBackupJob } from './backup-job/backup-job-commands.ts';
import type { JobRefusal } from './backup-job/job-request.ts';
import { placeLocal } from './backup-set/recorded-start.ts';
import { breaksChain, foreignReason } from './foreign-backup/foreign-backup.ts';

/** The job, what is asked of it, and what others took beside it. */
export const jobResolvers = {
  Mutation: {
    forceFullBackup: async (_parent, { input }, context) =>
      named<'ForceFullBackupResult'>(await forceFullBackup(context, context.caller, input)),
    runBackupJob: async (_parent, { input }, context) =>
      named<'RunBackupJobResult'>(await runBackupJob(context, context.caller, input)),
  },
  BackupJob: {
    // Without facts nobody has looked yet, or there was no such job when somebody did.
    configured: ({ facts, observedAt }) => facts?.configuration.configured ?? (observedAt === null ? null : false),
    enabled: ({ facts }) => facts?.enabled ?? null,
    running: ({ facts }) => (facts === null ? null : facts.runningSinceRecorded !== null),
    markPrefix: ({ facts }) => facts?.configuration.markPrefix ?? null,
    path: ({ facts }) => facts?.configuration.path ?? null,
    fullFrequency: ({ facts }) => facts?.configuration.fullFrequency ?? null,
    usesLocalTime: ({ facts }) => {
      const { fullUsesLocalTime = null, logUsesLocalTime = null } = facts?.configuration ?? {};
      return fullUsesLocalTime === logUsesLocalTime ? logUsesLocalTime : null;
    },
    forcesFullAfterFailure: ({ facts }) => facts?.configuration.forcesFullAfterFailure ?? null,
    fullForced: ({ facts }) => facts?.fullForced ?? null,
    // The scalar renders seconds as ISO 8601.
    intervalBetweenLogs: ({ facts }) =>
      facts === null || facts.intervalSeconds === null ? null : durationFromSeconds(facts.intervalSeconds),
    lastRun: ({ facts, observedAt }) =>
      facts?.lastRun == null || observedAt === null
        ? null
        : placeLocal(facts.lastRun.startedAtRecorded, facts.offsetMinutes, Date.parse(observedAt)),
    lastOutcome: ({ facts }) => facts?.lastRun?.outcome ?? null,
    exposure: ({ facts }) => facts && exposureOf(facts.configuration),
    observation: async ({ groupId, observedAt, error }, _args, { holds, observeEveryMs, clock }) => {
      const hold = await holds.load(groupId);
      const why = hold === undefined ? error : holdMessage(hold);
      return observationOf({ observedAt, error: why }, observeEveryMs, clock());
    },
  },
  ForeignBackup: {
    database: ({ databaseId }) => ({ id: databaseId }),
    at: ({ finishedAt }) => finishedAt,
    atRecorded: ({ finishedAtRecorded }) => finishedAtRecorded,
    path: ({ device }) => device,
    breaksChain,
    reason: foreignReason,
  },
} satisfies Resolvers;

function named<Union extends 'ForceFullBackupResult' | 'RunBackupJobResult'>(
  result: ObservedJob | JobRefusal,
): ResolversParentTypes[Union] {
  if (!('refused' in result)) return { __typename: 'BackupJob' as const, ...result } as ResolversParentTypes[Union];
  const { refused, ...refusal } = result;
  return { __typename: refused, ...refusal } as ResolversParentTypes[Union];
}
