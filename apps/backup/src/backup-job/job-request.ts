import { type GroupId, parseId } from '@holdfast/domain';
import type { JobFacts } from './backup-job.ts';

/** What somebody asked the backup job for, kept with the reason. */
export type JobRequest = {
  readonly requestId: string;
  readonly groupId: GroupId;
  readonly kind: 'FORCE_FULL' | 'RUN';
  readonly requestedBy: string;
  readonly reason: string;
  /** RFC 3339 UTC. */
  readonly requestedAt: string;
  /** Start of the job's last run before that, as Agent recorded it: a run that is another one came after it. */
  readonly lastRunBefore: string | null;
  /** null: nobody has seen the effect yet. */
  readonly doneAt: string | null;
};

export type JobInput = {
  readonly idempotencyKey: string;
  readonly groupId: string;
  readonly reason: string;
  readonly dryRun: boolean;
};

type Text = { readonly message: string; readonly fix: string };

/** Named as in the API, whose types they become. */
export type JobRefusal = Text &
  (
    | { readonly refused: 'NotAllowed'; readonly rule: string }
    | { readonly refused: 'InvalidInput'; readonly field: string }
    | { readonly refused: 'NotYetKnown'; readonly id: string }
    | { readonly refused: 'IdempotencyKeyReused' }
    | { readonly refused: 'InstanceUnreachable'; readonly instance: string; readonly cause: string }
    | { readonly refused: 'FullAlreadyForced' | 'BackupJobRunning'; readonly since: string | null }
    | { readonly refused: 'BackupJobNotConfigured' }
  );

export type ParsedJobInput = Omit<JobInput, 'groupId'> & { readonly groupId: GroupId };

export function parseJobInput(input: JobInput): ParsedJobInput | JobRefusal {
  const blank = (['idempotencyKey', 'reason'] as const).find(field => input[field].trim() === '');
  if (blank !== undefined)
    return {
      refused: 'InvalidInput',
      field: blank,
      message: `${blank} is empty.`,
      fix: 'Say it; it is kept in the record.',
    };
  const groupId = parseId<GroupId>(input.groupId);
  if (groupId === undefined)
    return {
      refused: 'InvalidInput',
      field: 'groupId',
      message: 'This is not an id.',
      fix: 'Use an id as an earlier answer gave it: a UUID.',
    };
  return { ...input, groupId };
}

export const notYetKnown = (id: string): JobRefusal => ({
  refused: 'NotYetKnown',
  id,
  message: 'This group, or the way to its Management database, is not known here.',
  fix: 'Check the id; a group that was just registered is known here within moments.',
});

export const keyReused = (): JobRefusal => ({
  refused: 'IdempotencyKeyReused',
  message: 'This idempotency key came before with other input.',
  fix: 'Use a new key for a new request.',
});

export const held = (message: string): JobRefusal => ({
  refused: 'NotAllowed',
  rule: 'source-held',
  message,
  fix: 'Wait for the execution to end; a planned failover runs the job itself.',
});

export const fullAlreadyForced = (since: string | null): JobRefusal => ({
  refused: 'FullAlreadyForced',
  since,
  message: 'A full backup was asked for already; the next run of the job takes it.',
  fix: 'Wait for the next run, or start the job now.',
});

export const jobRunning = (since: string | null): JobRefusal => ({
  refused: 'BackupJobRunning',
  since,
  message: 'The backup job runs already.',
  fix: 'Wait for its end; the history shows the set that it writes.',
});

/** null: Agent has no job of that name. */
export function notConfigured(facts: JobFacts | null): JobRefusal {
  return {
    refused: 'BackupJobNotConfigured',
    message:
      facts === null
        ? 'SQL Server Agent of the Management instance has no backup job of this group.'
        : 'The steps of the backup job do not say where to write, or do not call the backup procedures.',
    fix: 'Configure the job as BizTalk documents it: frequency, prefix and path in steps BackupFull and MarkAndBackupLog.',
  };
}

/** Whether the job runs, or has run, since the request was stored: it did not run at that moment. */
export function hasRunSince(facts: JobFacts, { lastRunBefore }: Pick<JobRequest, 'lastRunBefore'>): boolean {
  return facts.runningSinceRecorded !== null || (facts.lastRun?.startedAtRecorded ?? null) !== lastRunBefore;
}
