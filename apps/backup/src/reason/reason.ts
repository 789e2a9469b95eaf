import type { Lsn, Reason } from '@holdfast/domain';

/** Why something is not as it should be: the shape of the domain's reasons, with codes of this service beside them. */
export type LedgerReason = Omit<Reason, 'code'> & { readonly code: string };

type Text = { readonly message: string; readonly fix: string; readonly evidence?: string };
type ForeignFacts = {
  readonly databaseName: string;
  readonly userName: string | null;
  readonly device: string | null;
  readonly firstLsn: Lsn | null;
  readonly lastLsn: Lsn | null;
};

const takenTo = ({ device, firstLsn, lastLsn }: ForeignFacts): string =>
  `${device ?? 'an unnamed device'}, ${firstLsn === null || lastLsn === null ? 'range unknown' : `from ${firstLsn} to ${lastLsn}`}`;

const periods = { HOURLY: 'hour', DAILY: 'day', WEEKLY: 'week', MONTHLY: 'month', YEARLY: 'year' } as const;

const texts = {
  DATABASE_NOT_IN_SET: ({ databaseName }: { databaseName: string }): Text => ({
    message: `${databaseName} belongs to the group and this set has no backup of it: at this mark it would be left behind.`,
    fix: 'See that the backup job covers the database, and force a full backup; the log set after it has a mark for all.',
  }),
  FOREIGN_LOG_BACKUP: (facts: ForeignFacts): Text => ({
    message: `A log backup of ${facts.databaseName} that the BizTalk job did not take, by ${facts.userName ?? 'somebody unknown'}, took log out of the chain.`,
    fix: 'Keep its file: it bridges the gap. End what takes it, or make it copy-only, and force a full backup.',
    evidence: takenTo(facts),
  }),
  FOREIGN_COPY: (facts: ForeignFacts): Text => ({
    message: `A backup of ${facts.databaseName} that the BizTalk job did not take, by ${facts.userName ?? 'somebody unknown'}. It takes no log out of the chain.`,
    fix: 'Nothing to do.',
    evidence: takenTo(facts),
  }),
  FAILED_FULL_COUNTS_AS_DONE: ({ frequency }: { frequency: keyof typeof periods }): Text => ({
    message: `A full backup that fails partway counts as done: the group may then be without a valid base until the next ${periods[frequency]}, and every log set of that time hangs on the failed one.`,
    fix: 'Set the fourth parameter of step BackupFull, @ForceFullBackupAfterPartialSetFailure, to 1.',
    evidence: '@ForceFullBackupAfterPartialSetFailure = 0',
  }),
  FULL_NEVER_RUNS: ({ frequency }: { frequency: string }): Text => ({
    message: 'Step BackupFull has a frequency that its procedure refuses: the job fails before any backup.',
    fix: 'Set the first parameter of step BackupFull to h, d, w, m or y.',
    evidence: `@Frequency = ${frequency}`,
  }),
} satisfies Record<string, (facts: never) => Text>;

type Code = keyof typeof texts;

/** Not dated yet. */
export function ledgerReason<C extends Code>(code: C, ...facts: Parameters<(typeof texts)[C]>): LedgerReason {
  const write = texts[code] as (...given: Parameters<(typeof texts)[C]>) => Text;
  const { message, fix, evidence = null } = write(...facts);
  return { code, message, fix, evidence, since: null };
}

/** One that was there before keeps its `since`, a new one gets `now` (RFC 3339 UTC). */
export function dated(
  reasons: readonly LedgerReason[],
  before: readonly LedgerReason[],
  now: string,
): readonly LedgerReason[] {
  return reasons.map(fresh => {
    const known = before.find(
      old => old.code === fresh.code && old.message === fresh.message && old.evidence === fresh.evidence,
    );
    return { ...fresh, since: known?.since ?? now };
  });
}
