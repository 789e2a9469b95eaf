/** Dates and times: ticks of 100 ns since 0001-01-01, their parts, and rounding to the types' own steps. No text here. */
import type { SqlDateTime, SqlType } from '../values.ts';

export const TICKS_PER_MILLISECOND = 10_000n;
export const TICKS_PER_SECOND = 10_000_000n;
export const TICKS_PER_MINUTE = 600_000_000n;
export const TICKS_PER_HOUR = 36_000_000_000n;
export const TICKS_PER_DAY = 864_000_000_000n;
/** 1970-01-01 */
const UNIX_DAYS = 719_162n;
/** 1900-01-01, day 0 of datetime */
export const DAYS_TO_1900 = 693_595n;

export type DateParts = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 … 9 999 999 */
  readonly fraction: number;
};

export function dateTime(ticks: bigint, offsetMinutes?: number): SqlDateTime {
  return offsetMinutes === undefined ? { kind: 'datetime', ticks } : { kind: 'datetime', ticks, offsetMinutes };
}

/** Days since 0001-01-01 of a calendar date; undefined when there is no such date. */
export function daysFromDate(year: number, month: number, day: number): bigint | undefined {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  const before = BigInt(year - 1);
  let days = before * 365n + before / 4n - before / 100n + before / 400n;
  for (let m = 1; m < month; m += 1) days += BigInt(daysInMonth(year, m));
  return days + BigInt(day - 1);
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

export function ticksOf(parts: DateParts): bigint | undefined {
  const days = daysFromDate(parts.year, parts.month, parts.day);
  if (days === undefined || parts.hour > 23 || parts.minute > 59 || parts.second > 59) return undefined;
  return (
    days * TICKS_PER_DAY +
    BigInt(parts.hour) * TICKS_PER_HOUR +
    BigInt(parts.minute) * TICKS_PER_MINUTE +
    BigInt(parts.second) * TICKS_PER_SECOND +
    BigInt(parts.fraction)
  );
}

export function partsOf(ticks: bigint): DateParts {
  const inDay = ticks % TICKS_PER_DAY;
  const days = Number(ticks / TICKS_PER_DAY);
  // Noon of that day in the machine's proleptic Gregorian calendar: the same calendar, so only the year offset differs.
  const date = new Date((days - Number(UNIX_DAYS)) * 86_400_000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: Number(inDay / TICKS_PER_HOUR),
    minute: Number((inDay % TICKS_PER_HOUR) / TICKS_PER_MINUTE),
    second: Number((inDay % TICKS_PER_MINUTE) / TICKS_PER_SECOND),
    fraction: Number(inDay % TICKS_PER_SECOND),
  };
}

/** The server's clock runs in UTC here: local time and UTC are the same, which a DST-free fixture needs. */
export function fromDate(date: Date): SqlDateTime {
  return dateTime(UNIX_DAYS * TICKS_PER_DAY + BigInt(date.getTime()) * TICKS_PER_MILLISECOND);
}

/** 0 = Sunday. */
export function weekday(ticks: bigint): number {
  return Number((ticks / TICKS_PER_DAY + 1n) % 7n);
}

function roundTo(ticks: bigint, step: bigint): bigint {
  return ((ticks + step / 2n) / step) * step;
}

/** datetime counts 1/300 s: .000, .003, .007. */
export function roundToDatetime(ticks: bigint): bigint {
  const units = (ticks * 3n + 50_000n) / 100_000n;
  return (units * 100_000n + 1n) / 3n;
}

/**
 * A date/time value as `to` stores it: cut to its part, rounded to its steps. undefined: outside the type's range.
 */
export function fitDateTime(value: SqlDateTime, from: SqlType, to: SqlType): SqlDateTime | undefined {
  const offset = value.offsetMinutes ?? 0;
  const step = 10n ** BigInt(7 - (to.scale ?? 7));
  const timeOnly = from.name === 'time';
  switch (to.name) {
    case 'date':
      return timeOnly ? undefined : dateTime((value.ticks / TICKS_PER_DAY) * TICKS_PER_DAY);
    case 'time':
      return dateTime(roundTo(value.ticks % TICKS_PER_DAY, step) % TICKS_PER_DAY);
    case 'datetime': {
      const ticks = roundToDatetime(timeOnly ? DAYS_TO_1900 * TICKS_PER_DAY + value.ticks : value.ticks);
      return ticks < (daysFromDate(1753, 1, 1) ?? 0n) * TICKS_PER_DAY ? undefined : dateTime(ticks);
    }
    case 'datetimeoffset':
      return dateTime(roundTo(timeOnly ? DAYS_TO_1900 * TICKS_PER_DAY + value.ticks : value.ticks, step), offset);
    default:
      return dateTime(roundTo(timeOnly ? DAYS_TO_1900 * TICKS_PER_DAY + value.ticks : value.ticks, step));
  }
}

/** The instant in UTC, for comparisons between offsets. */
export function utcTicks(value: SqlDateTime): bigint {
  return value.ticks - BigInt(value.offsetMinutes ?? 0) * TICKS_PER_MINUTE;
}
