/**
 * When a schedule is due: freq_type 1 (once), 4 (every freq_interval days) and 8 (every week on the days of freq_interval), the latter two at a
 * time of day or every so many seconds, minutes or hours between two times of day (documentation of sysschedules and sp_add_schedule). Pure; times
 * are the instance's own.
 */

export type Schedule = {
  readonly frequencyType: number;
  readonly frequencyInterval: number;
  readonly subdayType: number;
  readonly subdayInterval: number;
  /** Of a weekly one: weeks between two. */
  readonly recurrenceFactor: number;
  /** yyyymmdd */
  readonly startDate: number;
  readonly endDate: number;
  /** hhmmss */
  readonly startTime: number;
  readonly endTime: number;
};

const daily = 4;
const weekly = 8;
const dayMs = 86_400_000;
const unitMs: Readonly<Record<number, number>> = { 2: 1000, 4: 60_000, 8: 3_600_000 };

/** What keeps the stand-in from following this schedule; undefined: nothing. */
export function strangeness(schedule: Schedule): string | undefined {
  const { frequencyType, frequencyInterval, subdayType, subdayInterval, recurrenceFactor, startTime, endTime } =
    schedule;
  if (![1, daily, weekly].includes(frequencyType)) return `a schedule of freq_type ${frequencyType}`;
  if (!isDate(schedule.startDate) || !isDate(schedule.endDate)) return 'a schedule date that is not yyyymmdd';
  if (!isTime(startTime) || !isTime(endTime)) return 'a schedule time that is not hhmmss';
  if (frequencyType === 1) return undefined;
  if (frequencyType === daily && frequencyInterval < 1)
    return `a daily schedule with freq_interval ${frequencyInterval}`;
  if (frequencyType === weekly) {
    if (frequencyInterval < 1 || frequencyInterval > 127)
      return `a weekly schedule with freq_interval ${frequencyInterval}`;
    // From which week every other one counts is not said.
    if (recurrenceFactor !== 1) return `a weekly schedule with freq_recurrence_factor ${recurrenceFactor}`;
  }
  if (subdayType === 1) return undefined;
  if (unitMs[subdayType] === undefined) return `a schedule of freq_subday_type ${subdayType}`;
  if (subdayInterval < 1) return `a schedule with freq_subday_interval ${subdayInterval}`;
  return endTime < startTime ? 'a schedule whose day ends before it starts' : undefined;
}

/** The first time after `moment`; undefined: never again. */
export function nextRun(schedule: Schedule, moment: Date): Date | undefined {
  if (strangeness(schedule) !== undefined) return undefined;
  const firstDay = dayOf(schedule.startDate);
  const startMs = timeOf(schedule.startTime);
  const after = moment.getTime();
  if (schedule.frequencyType === 1) return firstDay + startMs > after ? new Date(firstDay + startMs) : undefined;
  const lastDay = dayOf(schedule.endDate);
  for (const day of daysFrom(schedule, firstDay, after)) {
    const run = day > lastDay ? undefined : nextWithinDay(schedule, day, after);
    if (run !== undefined) return new Date(run);
  }
  return undefined;
}

/** Days that it runs on, from the one that `after` lies in or follows: that one may have no run left, so there is always one more. */
function daysFrom({ frequencyType, frequencyInterval }: Schedule, firstDay: number, after: number): readonly number[] {
  const every = frequencyType === weekly ? dayMs : frequencyInterval * dayMs;
  const passed = firstDay + Math.max(0, Math.floor((after - firstDay) / every)) * every;
  if (frequencyType === daily) return [passed, passed + every];
  // Sunday is 1, Monday 2, … Saturday 64; the same weekday once more, for a single one that is today.
  const week = Array.from({ length: 8 }, (_, days) => passed + days * dayMs);
  return week.filter(day => (frequencyInterval & (1 << new Date(day).getUTCDay())) !== 0);
}

function nextWithinDay(schedule: Schedule, day: number, after: number): number | undefined {
  const first = day + timeOf(schedule.startTime);
  if (first > after) return first;
  const unit = unitMs[schedule.subdayType];
  if (unit === undefined) return undefined;
  const stepMs = schedule.subdayInterval * unit;
  const run = first + (Math.floor((after - first) / stepMs) + 1) * stepMs;
  return run <= day + timeOf(schedule.endTime) ? run : undefined;
}

function dayOf(date: number): number {
  return Date.UTC(Math.floor(date / 10_000), (Math.floor(date / 100) % 100) - 1, date % 100);
}

function timeOf(time: number): number {
  return (Math.floor(time / 10_000) * 3600 + (Math.floor(time / 100) % 100) * 60 + (time % 100)) * 1000;
}

function isDate(date: number): boolean {
  const time = dayOf(date);
  return date >= 19_900_101 && !Number.isNaN(time) && dateNumber(new Date(time)) === date;
}

function isTime(time: number): boolean {
  return time >= 0 && Math.floor(time / 10_000) < 24 && Math.floor(time / 100) % 100 < 60 && time % 100 < 60;
}

/** yyyymmdd */
export function dateNumber(moment: Date): number {
  return moment.getUTCFullYear() * 10_000 + (moment.getUTCMonth() + 1) * 100 + moment.getUTCDate();
}

/** hhmmss */
export function timeNumber(moment: Date): number {
  return moment.getUTCHours() * 10_000 + moment.getUTCMinutes() * 100 + moment.getUTCSeconds();
}

/** hhmmss; hours may have more digits. */
export function durationNumber(milliseconds: number): number {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  return Math.floor(seconds / 3600) * 10_000 + (Math.floor(seconds / 60) % 60) * 100 + (seconds % 60);
}
