/** When sp_BackupAllFull_Schedule runs a full backup: the decision order of biztalk-dr.md §2.2. */

export type Frequency = 'h' | 'd' | 'w' | 'm' | 'y';

export type ScheduleFacts = {
  /** By the clock that @UseLocalTime chooses, as `newestFullAt` was taken. */
  readonly now: Date;
  readonly localNow: Date;
  readonly forceFull: boolean;
  readonly forceAfterPartial: boolean;
  /** The highest set with SetComplete = 0 has no later complete full. */
  readonly partialOpen: boolean;
  /** The latest start of a `db` row, complete or not. */
  readonly newestFullAt: Date | undefined;
  /** SET DATEFIRST of the session: 1 Monday … 7 Sunday. */
  readonly dateFirst: number;
};

/** Either case; anything else: undefined. */
export function parseFrequency(text: string): Frequency | undefined {
  const letter = text.trim().toLowerCase();
  return letter === 'h' || letter === 'd' || letter === 'w' || letter === 'm' || letter === 'y' ? letter : undefined;
}

/** `frequency`: undefined for an unknown one, which is refused where periods are compared, and not before. */
export function isFullDue(
  frequency: Frequency | undefined,
  backupHour: number | undefined,
  facts: ScheduleFacts,
): boolean | 'unknown frequency' {
  if (facts.forceFull) return true;
  if (facts.forceAfterPartial && facts.partialOpen) return true;
  if (facts.newestFullAt === undefined) return true;
  if (frequency === undefined) return 'unknown frequency';
  const { dateFirst } = facts;
  if (period(frequency, facts.newestFullAt, dateFirst) === period(frequency, facts.now, dateFirst)) return false;
  if (backupHour === undefined || frequency === 'h') return true;
  const hour = backupHour >= 0 && backupHour <= 23 ? backupHour : 0;
  // The local hour, whatever clock the periods go by.
  return facts.localNow.getUTCHours() === hour;
}

function period(frequency: Frequency, moment: Date, dateFirst: number): string {
  const [year, month, day] = [moment.getUTCFullYear(), moment.getUTCMonth(), moment.getUTCDate()];
  switch (frequency) {
    case 'h':
      return `${year}-${month}-${day}-${moment.getUTCHours()}`;
    case 'd':
      return `${year}-${month}-${day}`;
    case 'w':
      // Year, month and week number: a week across two months is two periods.
      return `${year}-${month}-w${weekOfYear(moment, dateFirst)}`;
    case 'm':
      return `${year}-${month}`;
    case 'y':
      return `${year}`;
  }
}

/** DATEPART(week): weeks begin on the day of DATEFIRST, week 1 holds 1 January. */
function weekOfYear(moment: Date, dateFirst: number): number {
  const newYear = Date.UTC(moment.getUTCFullYear(), 0, 1);
  const days = Math.floor((moment.getTime() - newYear) / 86_400_000);
  const daysBefore = (new Date(newYear).getUTCDay() + 7 - dateFirst) % 7;
  return Math.floor((days + daysBefore) / 7) + 1;
}
