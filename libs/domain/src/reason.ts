import type { Lsn } from './lsn.ts';
import type { MarkName } from './mark.ts';

/** Why a verdict or state is not the best one. `code` is stable; message and fix are for people. */
export type Reason = {
  readonly code: ReasonCode;
  readonly message: string;
  readonly fix: string;
  /** What it rests on, short; null when the message says it all. */
  readonly evidence: string | null;
  /** RFC 3339 UTC; null until somebody who keeps the history has dated it (`dateReasons`). */
  readonly since: string | null;
};

type DatabaseFile = { readonly databaseName: string; readonly path: string };
type Text = { readonly message: string; readonly fix: string; readonly evidence?: string };

const forceFull = 'Force a full backup at the source; the next log set after it starts a new chain.';
const otherCopy = 'Look for another copy of the file; without one, force a full backup at the source.';

/** The closed list: one builder for each code, so that a code always carries the same facts and the same fix. */
const texts = {
  SET_RUNNING: () => ({
    message: 'The backup job is still writing this set.',
    fix: 'Nothing to do: wait for the job to end.',
  }),
  SET_UNDECIDED: () => ({
    message: 'The set is not complete and nobody could see whether the backup job is still running.',
    fix: 'Look whether the backup job runs; the next set decides it as well.',
    evidence: 'SetComplete = 0, no higher set id',
  }),
  SET_PARTIAL: (facts: { readonly written: number }) => ({
    message: `The backup job stopped within this set after ${String(facts.written)} databases.`,
    fix: `Correct what stopped the job. ${forceFull}`,
    evidence: 'SetComplete = 0',
  }),
  DATABASE_MISSING_FROM_SET: (facts: { readonly databaseName: string }) => ({
    message: `The set has no backup of ${facts.databaseName}.`,
    fix: `Look why the job left it out. ${forceFull}`,
  }),
  SET_VOID: () => ({
    message: 'The set id was used and nothing was backed up under it.',
    fix: 'Usually harmless: the job failed at its first database. Look at the history of the job.',
  }),
  SET_PURGED: () => ({
    message: 'The history no longer lists this set.',
    fix: 'Nothing to do while its files exist: what was known about it is kept here.',
  }),
  SET_ORPHANED: (facts: { readonly brokenSet: string }) => ({
    message: `The set follows set ${facts.brokenSet}, which is not whole, and no complete full set lies between them.`,
    fix: `BizTalk's own restore jobs skip it until a full set arrives. ${forceFull}`,
    evidence: `set ${facts.brokenSet}`,
  }),
  FILE_MISSING: (facts: DatabaseFile) => ({
    message: `The backup file of ${facts.databaseName} is not there.`,
    fix: otherCopy,
    evidence: facts.path,
  }),
  FILE_DAMAGED: (facts: DatabaseFile) => ({
    message: `The backup file of ${facts.databaseName} is damaged.`,
    fix: otherCopy,
    evidence: facts.path,
  }),
  FILE_UNREADABLE: (facts: DatabaseFile) => ({
    message: `The backup file of ${facts.databaseName} could not be read.`,
    fix: 'Check that the service account of SQL Server may read the folder and that the share answers.',
    evidence: facts.path,
  }),
  FILE_NOT_VERIFIED: (facts: DatabaseFile) => ({
    message: `The backup file of ${facts.databaseName} has not been verified.`,
    fix: 'Wait for its verification or ask for one.',
    evidence: facts.path,
  }),
  MARK_UNPROVEN: (facts: { readonly databaseName: string }) => ({
    message: `Nobody could prove that the mark exists in ${facts.databaseName}.`,
    fix: 'Make msdb.dbo.logmarkhistory of its instance readable; without it the mark can be used only by naming it.',
  }),
  MARK_OUTSIDE_FILE: (facts: { readonly databaseName: string; readonly markLsn: Lsn }) => ({
    message: `The mark of ${facts.databaseName} does not lie in the log file of its set.`,
    fix: 'Look for a log backup that the BizTalk job did not take, and force a full backup.',
    evidence: `mark at ${facts.markLsn}`,
  }),
  NO_BASE: (facts: { readonly databaseName: string }) => ({
    message: `No full backup of ${facts.databaseName} ends before the mark.`,
    fix: 'Choose a later mark, or force a full backup for the marks to come.',
  }),
  CHAIN_GAP: (facts: { readonly databaseName: string; readonly fromLsn: Lsn; readonly toLsn: Lsn | null }) => ({
    message: `Log of ${facts.databaseName} is missing on the way to the mark.`,
    fix: `Find the missing log backup; a backup taken outside the BizTalk job may hold it. ${forceFull}`,
    evidence: `from ${facts.fromLsn} to ${facts.toLsn ?? 'the mark'}`,
  }),
  OTHER_FORK: (facts: { readonly databaseName: string; readonly fromLsn: Lsn }) => ({
    message: `The logs of ${facts.databaseName} belong to another recovery path than its full backup.`,
    fix: forceFull,
    evidence: `fork at ${facts.fromLsn}`,
  }),
  BRIDGED_BY_PARTIAL_SET: (facts: { readonly databaseName: string; readonly setNumber: string }) => ({
    message: `The chain of ${facts.databaseName} uses a file of set ${facts.setNumber}, which is not whole.`,
    fix: `It can be restored here, but not by BizTalk's own jobs. ${forceFull}`,
    evidence: `set ${facts.setNumber}`,
  }),
  PAST_MARK: (facts: { readonly databaseName: string; readonly mark: MarkName }) => ({
    message: `${facts.databaseName} is already past ${facts.mark}.`,
    fix: 'Choose a later mark, or reseed the database.',
  }),
  COPY_NOT_VERIFIED: (facts: { readonly databaseName: string; readonly mark: MarkName }) => ({
    message: `A copy that ${facts.databaseName} needs for ${facts.mark} has not been verified at the standby.`,
    fix: 'Wait for its verification or copy the file again.',
  }),
  MARK_NOT_AT_STANDBY: (facts: { readonly databaseName: string; readonly mark: MarkName }) => ({
    message: `No log of ${facts.databaseName} at the standby contains ${facts.mark}.`,
    fix: 'Wait for the copy of the log set, or copy it by hand.',
  }),
} satisfies Record<string, (facts: never) => Text>;

export type ReasonCode = keyof typeof texts;
type Facts<Code extends ReasonCode> = Parameters<(typeof texts)[Code]>;

/** The reason with this code, not dated yet. */
export function reason<Code extends ReasonCode>(code: Code, ...facts: Facts<Code>): Reason {
  const write = texts[code] as (...facts: Facts<Code>) => Text;
  const { message, fix, evidence = null } = write(...facts);
  return { code, message, fix, evidence, since: null };
}

export const reasonCodes = Object.keys(texts) as readonly ReasonCode[];

/** Dates reasons: one that was there before keeps its `since`, a new one gets `now` (RFC 3339 UTC). */
export function dateReasons(reasons: readonly Reason[], before: readonly Reason[], now: string): readonly Reason[] {
  return reasons.map(fresh => {
    const known = before.find(
      old => old.code === fresh.code && old.message === fresh.message && old.evidence === fresh.evidence,
    );
    return { ...fresh, since: known?.since ?? now };
  });
}
