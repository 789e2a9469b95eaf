/** Date functions. The current time is the statement's: one value however often it is asked for. */
import { fail } from '../messages.ts';
import { localTime } from '../time-zone.ts';
import type { SqlDateTime, SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import { convert } from './convert.ts';
import {
  dateTime,
  daysFromDate,
  daysInMonth,
  fitDateTime,
  fromDate,
  partsOf,
  TICKS_PER_DAY,
  TICKS_PER_HOUR,
  TICKS_PER_MILLISECOND,
  TICKS_PER_MINUTE,
  TICKS_PER_SECOND,
  ticksOf,
  utcTicks,
  weekday,
} from './datetime.ts';
import { integer, text, type CallSite, type ScalarFunction } from './scalar-function.ts';
import { BIGINT, DATETIME, familyOf, INT, isText } from './types.ts';

const partNames: Readonly<Record<string, string>> = {
  yy: 'year',
  yyyy: 'year',
  qq: 'quarter',
  q: 'quarter',
  mm: 'month',
  m: 'month',
  dy: 'dayofyear',
  y: 'dayofyear',
  dd: 'day',
  d: 'day',
  wk: 'week',
  ww: 'week',
  dw: 'weekday',
  w: 'weekday',
  hh: 'hour',
  mi: 'minute',
  n: 'minute',
  ss: 'second',
  s: 'second',
  ms: 'millisecond',
  mcs: 'microsecond',
  ns: 'nanosecond',
  tz: 'tzoffset',
};
const fixed: Readonly<Record<string, bigint>> = {
  day: TICKS_PER_DAY,
  dayofyear: TICKS_PER_DAY,
  weekday: TICKS_PER_DAY,
  week: TICKS_PER_DAY * 7n,
  hour: TICKS_PER_HOUR,
  minute: TICKS_PER_MINUTE,
  second: TICKS_PER_SECOND,
  millisecond: TICKS_PER_MILLISECOND,
  microsecond: 10n,
};

export function isDatePartFunction(name: string): boolean {
  return ['DATEADD', 'DATEDIFF', 'DATEDIFF_BIG', 'DATEPART', 'DATENAME'].includes(name);
}

function part(site: CallSite): string {
  const word = site.part ?? '';
  const full = partNames[word] ?? word;
  if (full in fixed || ['year', 'quarter', 'month', 'nanosecond', 'tzoffset'].includes(full)) return full;
  throw fail(155, word, 'dateadd');
}

function isDate(value: SqlValue | undefined): value is SqlDateTime {
  return typeof value === 'object' && value !== null && 'ticks' in value;
}

/** Dates stay what they are, text and numbers become datetime (DATEADD) or datetime2-like ticks (the others). */
function dateOf(value: SqlValue | undefined, type: SqlType | undefined): SqlDateTime {
  if (isDate(value)) return value;
  const from = type ?? { name: 'nvarchar' };
  const converted = convert(value ?? null, from, isText(from) ? { name: 'datetime2', scale: 7 } : DATETIME);
  if (!isDate(converted)) throw fail(241);
  return converted;
}

function addMonths(ticks: bigint, months: bigint): bigint {
  const parts = partsOf(ticks);
  const total = BigInt(parts.year) * 12n + BigInt(parts.month - 1) + months;
  const year = Number(total / 12n);
  const month = Number(total % 12n) + 1;
  const result =
    total < 12n
      ? undefined
      : ticksOf({
          ...parts,
          year,
          month,
          day: year < 1 || year > 9999 ? 1 : Math.min(parts.day, daysInMonth(year, month)),
        });
  if (result === undefined) throw fail(517, 'datetime');
  return result;
}

function dateAdd(site: CallSite, count: bigint, date: SqlDateTime): SqlValue {
  const name = part(site);
  const months = name === 'year' ? 12n : name === 'quarter' ? 3n : name === 'month' ? 1n : undefined;
  const ticks =
    months !== undefined
      ? addMonths(date.ticks, count * months)
      : name === 'nanosecond'
        ? date.ticks + count / 100n
        : date.ticks + count * (fixed[name] ?? 0n);
  if (ticks < 0n || ticks >= 3_652_059n * TICKS_PER_DAY) throw fail(517, site.type.name);
  const fitted = fitDateTime(
    date.offsetMinutes === undefined ? dateTime(ticks) : dateTime(ticks, date.offsetMinutes),
    site.type,
    site.type,
  );
  if (fitted === undefined) throw fail(517, site.type.name);
  return fitted;
}

/** Counts the boundaries crossed, not the time passed. */
function dateDifference(site: CallSite, from: SqlDateTime, to: SqlDateTime): bigint {
  const name = part(site);
  const [a, b] = [utcTicks(from), utcTicks(to)];
  if (name === 'year' || name === 'quarter' || name === 'month') {
    const [x, y] = [partsOf(a), partsOf(b)];
    const months = (y.year - x.year) * 12 + (y.month - x.month);
    if (name === 'year') return BigInt(y.year - x.year);
    return name === 'month'
      ? BigInt(months)
      : BigInt((y.year - x.year) * 4 + Math.floor((y.month - 1) / 3) - Math.floor((x.month - 1) / 3));
  }
  if (name === 'nanosecond') return (b - a) * 100n;
  // Weeks begin on Sunday for DATEDIFF whatever DATEFIRST says.
  if (name === 'week') return (b / TICKS_PER_DAY + 1n) / 7n - (a / TICKS_PER_DAY + 1n) / 7n;
  const unit = fixed[name];
  if (unit === undefined) throw fail(155, name, 'datediff');
  return b / unit - a / unit;
}

function datePart(site: CallSite, date: SqlDateTime): bigint {
  const name = part(site);
  const parts = partsOf(date.ticks);
  switch (name) {
    case 'year':
      return BigInt(parts.year);
    case 'quarter':
      return BigInt(Math.floor((parts.month - 1) / 3) + 1);
    case 'month':
      return BigInt(parts.month);
    case 'day':
      return BigInt(parts.day);
    case 'dayofyear':
      return date.ticks / TICKS_PER_DAY - (daysFromDate(parts.year, 1, 1) ?? 0n) + 1n;
    case 'weekday':
      return BigInt(((weekday(date.ticks) - (site.run.session.options.dateFirst % 7) + 7) % 7) + 1);
    case 'week':
      return weekOfYear(date.ticks, parts.year, site.run.session.options.dateFirst);
    case 'hour':
      return BigInt(parts.hour);
    case 'minute':
      return BigInt(parts.minute);
    case 'second':
      return BigInt(parts.second);
    case 'millisecond':
      return BigInt(Math.floor(parts.fraction / 10_000));
    case 'microsecond':
      return BigInt(Math.floor(parts.fraction / 10));
    case 'nanosecond':
      return BigInt(parts.fraction) * 100n;
    default:
      return BigInt(date.offsetMinutes ?? 0);
  }
}

function weekOfYear(ticks: bigint, year: number, dateFirst: number): bigint {
  const first = daysFromDate(year, 1, 1) ?? 0n;
  const shift = BigInt((weekday(first * TICKS_PER_DAY) - (dateFirst % 7) + 7) % 7);
  return (ticks / TICKS_PER_DAY - first + shift) / 7n + 1n;
}

const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const dayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

function dateName(site: CallSite, date: SqlDateTime): string {
  const name = part(site);
  if (name === 'month') return monthNames[partsOf(date.ticks).month - 1] ?? '';
  return name === 'weekday' ? (dayNames[weekday(date.ticks)] ?? '') : datePart(site, date).toString();
}

function now(name: string, type: SqlType): readonly [string, ScalarFunction] {
  return [
    name,
    {
      arguments: [0, 0],
      type,
      evaluate: (_, site) => {
        const { utcOffsetMinutes } = site.run.engine;
        const instant = fromDate(localTime(site.run.now, name.includes('UTC') ? -utcOffsetMinutes : 0));
        const offset = type.name === 'datetimeoffset' ? utcOffsetMinutes : undefined;
        return fitDateTime(dateTime(instant.ticks, offset), type, type) ?? null;
      },
    },
  ];
}

function addedType(args: readonly Bound[]): SqlType {
  const type = args[1]?.type ?? DATETIME;
  return familyOf(type) === 'time' ? type : DATETIME;
}

function yearMonthDay(name: string, word: string): readonly [string, ScalarFunction] {
  return [
    name,
    {
      arguments: [1, 1],
      type: INT,
      evaluate: ([a], site) => datePart({ ...site, part: word }, dateOf(a, site.types[0])),
    },
  ];
}

export const dateFunctions: readonly (readonly [string, ScalarFunction])[] = [
  now('GETDATE', DATETIME),
  now('GETUTCDATE', DATETIME),
  now('SYSDATETIME', { name: 'datetime2', scale: 7 }),
  now('SYSUTCDATETIME', { name: 'datetime2', scale: 7 }),
  now('SYSDATETIMEOFFSET', { name: 'datetimeoffset', scale: 7 }),
  [
    'DATEADD',
    {
      arguments: [3, 3],
      parameters: [BIGINT, undefined],
      type: addedType,
      evaluate: ([n, a], site) => dateAdd(site, BigInt(integer(n)), dateOf(a, site.types[1])),
    },
  ],
  [
    'DATEDIFF',
    {
      arguments: [3, 3],
      type: INT,
      evaluate: ([a, b], site) => {
        const result = dateDifference(site, dateOf(a, site.types[0]), dateOf(b, site.types[1]));
        if (result > 2147483647n || result < -2147483648n) throw fail(535, 'datediff', 'datediff');
        return result;
      },
    },
  ],
  [
    'DATEDIFF_BIG',
    {
      arguments: [3, 3],
      type: BIGINT,
      evaluate: ([a, b], site) => dateDifference(site, dateOf(a, site.types[0]), dateOf(b, site.types[1])),
    },
  ],
  ['DATEPART', { arguments: [2, 2], type: INT, evaluate: ([a], site) => datePart(site, dateOf(a, site.types[0])) }],
  [
    'DATENAME',
    {
      arguments: [2, 2],
      type: { name: 'nvarchar', length: 30 },
      evaluate: ([a], site) => dateName(site, dateOf(a, site.types[0])),
    },
  ],
  yearMonthDay('YEAR', 'year'),
  yearMonthDay('MONTH', 'month'),
  yearMonthDay('DAY', 'day'),
  [
    'SWITCHOFFSET',
    {
      arguments: [2, 2],
      type: { name: 'datetimeoffset', scale: 7 },
      evaluate: ([a, zone], site) => {
        const minutes = offsetOf(zone);
        const utc = utcTicks(dateOf(a, site.types[0]));
        return dateTime(utc + BigInt(minutes) * TICKS_PER_MINUTE, minutes);
      },
    },
  ],
  [
    'TODATETIMEOFFSET',
    {
      arguments: [2, 2],
      type: { name: 'datetimeoffset', scale: 7 },
      evaluate: ([a, zone], site) => dateTime(dateOf(a, site.types[0]).ticks, offsetOf(zone)),
    },
  ],
];

function offsetOf(value: SqlValue | undefined): number {
  if (typeof value === 'bigint') return Number(value);
  const match = /^([+-])(\d{2}):(\d{2})$/.exec(text(value));
  if (match === null) throw fail(241);
  const minutes = Number(match[2]) * 60 + Number(match[3]);
  return match[1] === '-' ? -minutes : minutes;
}
