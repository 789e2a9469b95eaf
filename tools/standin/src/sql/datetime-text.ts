/** Date and time text: CONVERT styles out, the usual literal forms in. */
import type { SqlDateTime, SqlType } from '../values.ts';
import {
  DAYS_TO_1900,
  dateTime,
  partsOf,
  ticksOf,
  TICKS_PER_DAY,
  TICKS_PER_HOUR,
  TICKS_PER_MINUTE,
  TICKS_PER_SECOND,
  utcTicks,
  type DateParts,
} from './datetime.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function offsetText(minutes: number): string {
  const magnitude = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(magnitude / 60))}:${two(magnitude % 60)}`;
}

function fractionText(parts: DateParts, type: SqlType): string {
  if (type.name === 'datetime') return `.${String(Math.round(parts.fraction / 10_000)).padStart(3, '0')}`;
  const digits = type.scale ?? 7;
  return digits === 0 ? '' : `.${String(parts.fraction).padStart(7, '0').slice(0, digits)}`;
}

/** undefined: the style is not built. */
export function formatDateTime(value: SqlDateTime, type: SqlType, style: number): string | undefined {
  const parts = partsOf(value.ticks);
  const date = `${String(parts.year).padStart(4, '0')}-${two(parts.month)}-${two(parts.day)}`;
  const clock = `${two(parts.hour)}:${two(parts.minute)}:${two(parts.second)}`;
  const fraction = fractionText(parts, type);
  const offset = type.name === 'datetimeoffset' ? offsetText(value.offsetMinutes ?? 0) : '';
  if (type.name === 'date') return formatDate(parts, date, style);
  if (type.name === 'time')
    return style === 108 || style === 8 ? clock : [0, 100].includes(style) ? shortClock(parts) : `${clock}${fraction}`;
  switch (style) {
    case 20:
    case 120:
      return `${date} ${clock}${offset === '' ? '' : ` ${offset}`}`;
    case 21:
    case 25:
    case 121:
      return `${date} ${clock}${fraction}${offset === '' ? '' : ` ${offset}`}`;
    case 126:
      return `${date}T${clock}${isoFraction(parts, type, fraction)}${offset}`;
    // 127 is UTC with Z for an offset type; the others have no zone and print as 126.
    case 127:
      return type.name === 'datetimeoffset'
        ? zuluText(value, type)
        : `${date}T${clock}${isoFraction(parts, type, fraction)}`;
    case 8:
    case 24:
    case 108:
      return clock;
    case 14:
    case 114:
      return `${clock}:${String(Math.floor(parts.fraction / 10_000)).padStart(3, '0')}`;
    case 0:
    case 100:
      return `${months[parts.month - 1] ?? ''} ${String(parts.day).padStart(2, ' ')} ${String(parts.year).padStart(4, '0')} ${shortClock(parts)}`;
    default:
      return formatDate(parts, date, style);
  }
}

/** ISO forms leave out a datetime's zero milliseconds. */
function isoFraction(parts: DateParts, type: SqlType, fraction: string): string {
  return parts.fraction === 0 && type.name === 'datetime' ? '' : fraction;
}

function zuluText(value: SqlDateTime, type: SqlType): string | undefined {
  const inner = formatDateTime(dateTime(utcTicks(value)), { name: 'datetime2', scale: type.scale ?? 7 }, 126);
  return inner === undefined ? undefined : `${inner}Z`;
}

function shortClock(parts: DateParts): string {
  const hour = parts.hour % 12 === 0 ? 12 : parts.hour % 12;
  return `${String(hour).padStart(2, ' ')}:${two(parts.minute)}${parts.hour < 12 ? 'AM' : 'PM'}`;
}

function formatDate(parts: DateParts, iso: string, style: number): string | undefined {
  const [year, month, day] = [String(parts.year).padStart(4, '0'), two(parts.month), two(parts.day)];
  switch (style) {
    case 0:
    case 100:
    case 20:
    case 21:
    case 23:
    case 120:
    case 121:
    case 126:
    case 127:
      return iso;
    case 1:
      return `${month}/${day}/${year.slice(2)}`;
    case 101:
      return `${month}/${day}/${year}`;
    case 102:
      return `${year}.${month}.${day}`;
    case 103:
      return `${day}/${month}/${year}`;
    case 104:
      return `${day}.${month}.${year}`;
    case 105:
      return `${day}-${month}-${year}`;
    case 110:
      return `${month}-${day}-${year}`;
    case 111:
      return `${year}/${month}/${day}`;
    case 112:
      return `${year}${month}${day}`;
    case 12:
      return `${year.slice(2)}${month}${day}`;
    default:
      return undefined;
  }
}

const timePattern = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.:](\d{1,9}))?)?\s*(AM|PM)?$/i;
const datePatterns: readonly { readonly pattern: RegExp; readonly order: 'ymd' | 'mdy' }[] = [
  { pattern: /^(\d{4})-(\d{1,2})-(\d{1,2})/, order: 'ymd' },
  { pattern: /^(\d{4})\/(\d{1,2})\/(\d{1,2})/, order: 'ymd' },
  { pattern: /^(\d{4})(\d{2})(\d{2})(?!\d)/, order: 'ymd' },
  { pattern: /^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})/, order: 'mdy' },
];

/** A literal → ticks of its own clock; `zone` minutes when it names one. undefined: not a date (241). */
export function parseDateTime(text: string): SqlDateTime | undefined {
  let rest = text.trim();
  if (rest === '') return dateTime(DAYS_TO_1900 * TICKS_PER_DAY);
  let days = DAYS_TO_1900 * TICKS_PER_DAY;
  for (const { pattern, order } of datePatterns) {
    const match = pattern.exec(rest);
    if (match === null) continue;
    const numbers = [Number(match[1]), Number(match[2]), Number(match[3])] as const;
    const [year, month, day] = order === 'ymd' ? numbers : [numbers[2], numbers[0], numbers[1]];
    const ticks = ticksOf({ year, month, day, hour: 0, minute: 0, second: 0, fraction: 0 });
    if (ticks === undefined) return undefined;
    days = ticks;
    rest = rest.slice(match[0].length).replace(/^T|^\s+/, '');
    if (rest === '') return dateTime(days);
    break;
  }
  const zone = /\s*(Z|[+-]\d{2}:\d{2})$/i.exec(rest);
  const clock = parseClock(zone === null ? rest : rest.slice(0, zone.index));
  if (clock === undefined) return undefined;
  return zone === null ? dateTime(days + clock) : dateTime(days + clock, zoneMinutes(zone[1] ?? 'Z'));
}

function zoneMinutes(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone.startsWith('-') ? -minutes : minutes;
}

function parseClock(text: string): bigint | undefined {
  const match = timePattern.exec(text.trim());
  if (match === null) return undefined;
  let hour = Number(match[1]);
  const half = match[5]?.toUpperCase();
  if (half !== undefined && (hour < 1 || hour > 12)) return undefined;
  if (half !== undefined) hour = (hour % 12) + (half === 'PM' ? 12 : 0);
  const [minute, second] = [Number(match[2]), Number(match[3] ?? '0')];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const fraction = Number((match[4] ?? '').padEnd(7, '0').slice(0, 7) || '0');
  return (
    BigInt(hour) * TICKS_PER_HOUR +
    BigInt(minute) * TICKS_PER_MINUTE +
    BigInt(second) * TICKS_PER_SECOND +
    BigInt(fraction)
  );
}
