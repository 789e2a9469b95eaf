import type { GroupId } from '@holdfast/domain';
import { unconfiguredBackupPath } from '@holdfast/domain/biztalk';
import { ledgerReason, type LedgerReason } from '../reason/reason.ts';
import { type Argument, callOf } from './procedure-call.ts';

/** `h` hourly … `y` yearly; null: another letter, with which the job fails. */
export type FullFrequency = 'HOURLY' | 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY';

/** What the steps of "Backup BizTalk Server" tell the two procedures (biztalk-dr.md §2.1, §2.2, §2.4). null: the text does not say. */
export type JobConfiguration = {
  /** Both steps are there and no placeholder is left in them. */
  readonly configured: boolean;
  readonly markPrefix: string | null;
  readonly path: string | null;
  /** As the text has it. */
  readonly frequencyLetter: string | null;
  readonly fullFrequency: FullFrequency | null;
  readonly forcesFullAfterFailure: boolean | null;
  readonly fullUsesLocalTime: boolean | null;
  readonly logUsesLocalTime: boolean | null;
};

export type JobStep = { readonly command: string | null };

/** The job as Agent and the Management database have it. Times are local to the Management instance. */
export type JobFacts = {
  readonly name: string;
  readonly enabled: boolean;
  readonly runningSinceRecorded: string | null;
  readonly lastRun: { readonly startedAtRecorded: string; readonly outcome: string } | null;
  readonly configuration: JobConfiguration;
  readonly intervalSeconds: number | null;
  /** `adm_BackupSettings.ForceFull`; null: it has no row. */
  readonly fullForced: boolean | null;
  readonly offsetMinutes: number;
};

/** The job of one group as it was seen last. */
export type ObservedJob = {
  readonly groupId: GroupId;
  readonly observedAt: string | null;
  readonly error: string | null;
  /** null: it was not seen yet, or there is none. */
  readonly facts: JobFacts | null;
};

const frequencies = new Map<string, FullFrequency>([
  ['h', 'HOURLY'],
  ['d', 'DAILY'],
  ['w', 'WEEKLY'],
  ['m', 'MONTHLY'],
  ['y', 'YEARLY'],
]);

const fullParameters = [
  '@Frequency',
  '@MarkName',
  '@BackupPath',
  '@ForceFullBackupAfterPartialSetFailure',
  '@BackupHour',
  '@UseLocalTime',
] as const;
const logParameters = ['@MarkName', '@BackupPath', '@UseLocalTime'] as const;
// nvarchar(8) and nvarchar(128): the server cuts what is longer in silence.
const widths = { markPrefix: 8, path: 128 } as const;

/**
 * The configuration by what the steps call, not by their number: older versions have three (biztalk-dr.md §2.1). Marks and log files follow
 * the log step, so prefix and path are its.
 */
export function parseSteps(steps: readonly JobStep[]): JobConfiguration {
  const find = <Name extends string>(procedure: string, parameters: readonly Name[]) => {
    for (const { command } of steps) {
      const call = command === null ? undefined : callOf(command, procedure, parameters);
      if (call !== undefined) return call;
    }
    return undefined;
  };
  const full = find('sp_BackupAllFull_Schedule', fullParameters);
  const log = find('sp_MarkAll', logParameters);
  const frequencyLetter = textOf(full?.get('@Frequency'), 1);
  const path = textOf(log?.get('@BackupPath'), widths.path);
  const paths = [path, textOf(full?.get('@BackupPath'), widths.path)];
  const isWritten = (text: string | null) =>
    text !== null && text.trim() !== '' && !text.includes(unconfiguredBackupPath);
  return {
    configured: full !== undefined && log !== undefined && paths.every(isWritten),
    markPrefix: textOf(log?.get('@MarkName'), widths.markPrefix),
    path: isWritten(path) ? path : null,
    frequencyLetter,
    fullFrequency: frequencies.get(frequencyLetter?.toLowerCase() ?? '') ?? null,
    forcesFullAfterFailure: full === undefined ? null : flagOf(full.get('@ForceFullBackupAfterPartialSetFailure')),
    fullUsesLocalTime: full === undefined ? null : flagOf(full.get('@UseLocalTime')),
    logUsesLocalTime: log === undefined ? null : flagOf(log.get('@UseLocalTime')),
  };
}

function textOf(argument: Argument | undefined, width: number): string | null {
  return argument?.kind === 'TEXT' || argument?.kind === 'NUMBER' ? argument.value.slice(0, width) : null;
}

/** Both flags are 0 when they are left out (biztalk-dr.md §2.2); a variable says nothing here. */
function flagOf(argument: Argument | undefined): boolean | null {
  if (argument === undefined || argument.kind === 'DEFAULT') return false;
  return argument.kind === 'NUMBER' ? Number(argument.value) !== 0 : null;
}

export type JobSchedule = {
  readonly enabled: boolean;
  readonly frequencyType: number;
  readonly frequencyInterval: number;
  readonly subdayType: number;
  readonly subdayInterval: number;
};

// dbo.sysschedules, documentation page of the table: freq_type 4 daily; freq_subday_type 1 at a time, 2 seconds, 4 minutes, 8 hours.
const everyDays = 4;
const subdaySeconds = new Map([
  [2, 1],
  [4, 60],
  [8, 3_600],
]);

/** How far apart two runs are by the schedules that are on: the shortest; null when none repeats every day. */
export function intervalOf(schedules: readonly JobSchedule[]): number | null {
  const intervals = schedules.flatMap(({ enabled, frequencyType, frequencyInterval, subdayType, subdayInterval }) => {
    if (!enabled || frequencyType !== everyDays) return [];
    const unit = subdaySeconds.get(subdayType);
    return [unit === undefined ? frequencyInterval * 86_400 : unit * subdayInterval];
  });
  return intervals.length === 0 ? null : Math.min(...intervals);
}

/** When the defaults will leave the group without a valid base, and for how long (biztalk-dr.md §2.2, consequences). */
export function exposureOf({ configured, ...steps }: JobConfiguration): LedgerReason | null {
  const { fullFrequency, frequencyLetter, forcesFullAfterFailure } = steps;
  if (!configured) return null;
  if (fullFrequency === null) return ledgerReason('FULL_NEVER_RUNS', { frequency: frequencyLetter ?? 'unreadable' });
  return forcesFullAfterFailure === false
    ? ledgerReason('FAILED_FULL_COUNTS_AS_DONE', { frequency: fullFrequency })
    : null;
}

/** In which time a new set is written, when the step that wrote it said the same before and after it; null: it does not follow. */
export function toldBasis(
  type: 'FULL' | 'LOG',
  before: JobFacts | null,
  after: JobFacts | null,
): 'UTC' | 'LOCAL' | null {
  const usesLocalTime = (facts: JobFacts | null) =>
    facts?.configuration[type === 'FULL' ? 'fullUsesLocalTime' : 'logUsesLocalTime'] ?? null;
  const told = usesLocalTime(before);
  if (told === null || told !== usesLocalTime(after)) return null;
  return told ? 'LOCAL' : 'UTC';
}
