import { GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { apiError } from './errors.ts';

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;
const isoDuration = /^P(?!$)(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/;

/** ISO 8601, days as the largest unit (months and years have no fixed length); milliseconds are kept. */
export function durationFromSeconds(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) throw new RangeError(`A duration cannot be ${seconds} seconds.`);
  const totalMs = Math.round(seconds * 1000);
  const days = Math.floor(totalMs / 86_400_000);
  const hours = Math.floor(totalMs / 3_600_000) % 24;
  const minutes = Math.floor(totalMs / 60_000) % 60;
  const rest = (totalMs % 60_000) / 1000;
  const time = `${hours > 0 ? `${hours}H` : ''}${minutes > 0 ? `${minutes}M` : ''}${rest > 0 ? `${rest}S` : ''}`;
  if (days === 0 && time === '') return 'PT0S';
  return `P${days > 0 ? `${days}D` : ''}${time === '' ? '' : `T${time}`}`;
}

/** Resolver map of the API's scalars. Outgoing values that do not fit are bugs and throw; incoming ones are refused as BAD_USER_INPUT. */
export const scalarResolvers = {
  DateTime: scalar(
    'DateTime',
    'RFC 3339, UTC; any offset is accepted and given back as UTC.',
    renderDateTime,
    parseDateTime,
  ),
  Duration: scalar(
    'Duration',
    'ISO 8601 in days, hours, minutes and seconds, such as PT1H30M.',
    renderDuration,
    parseDuration,
  ),
  Bytes: scalar('Bytes', 'A number of bytes as a decimal string.', renderBytes, value =>
    matching(value, /^(?:0|[1-9]\d{0,24})$/),
  ),
  LSN: scalar(
    'LSN',
    'A log sequence number as a decimal string of 1 to 25 digits; never a number.',
    renderLsn,
    parseLsn,
  ),
};

/** `parse` answers undefined for what it refuses. */
function scalar(
  name: string,
  description: string,
  serialize: (value: unknown) => string,
  parse: (value: unknown) => string | undefined,
): GraphQLScalarType<string, string> {
  const accept = (value: unknown): string => {
    const parsed = parse(value);
    if (parsed === undefined) throw apiError('BAD_USER_INPUT', `Not a ${name}.`, { fix: description });
    return parsed;
  };
  return new GraphQLScalarType<string, string>({
    name,
    description,
    serialize,
    parseValue: accept,
    parseLiteral: (node: ValueNode) => accept(node.kind === Kind.STRING ? node.value : undefined),
  });
}

function renderDateTime(value: unknown): string {
  const text = value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : parseDateTime(value);
  if (text === undefined) throw new TypeError('A DateTime must be a valid Date or an RFC 3339 string.');
  return text;
}

function parseDateTime(value: unknown): string | undefined {
  const [, year, month, day] = (typeof value === 'string' && rfc3339.exec(value)) || [];
  if (typeof value !== 'string' || year === undefined) return undefined;
  // Date rolls 30 February over to March without a word; an operator's typing error must not become another time.
  const midnight = new Date(`${year}-${month}-${day}T00:00:00Z`);
  const time = new Date(value);
  if (Number.isNaN(time.getTime()) || midnight.getUTCDate() !== Number(day)) return undefined;
  return time.toISOString();
}

function renderDuration(value: unknown): string {
  if (typeof value === 'number') return durationFromSeconds(value);
  const text = parseDuration(value);
  if (text === undefined) throw new TypeError('A Duration must be a number of seconds or an ISO 8601 string.');
  return text;
}

function parseDuration(value: unknown): string | undefined {
  return matching(value, isoDuration);
}

function renderBytes(value: unknown): string {
  if (typeof value === 'bigint' && value >= 0n) return value.toString();
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value.toString();
  const text = matching(value, /^(?:0|[1-9]\d{0,24})$/);
  if (text === undefined)
    throw new TypeError('Bytes must be a whole number from 0 on, as bigint, safe integer or decimal string.');
  return text;
}

function renderLsn(value: unknown): string {
  const text = typeof value === 'bigint' ? parseLsn(value.toString()) : parseLsn(value);
  // A JS number has already lost digits of an LSN.
  if (text === undefined)
    throw new TypeError('An LSN must be a bigint or a decimal string of 1 to 25 digits, never a number.');
  return text;
}

function parseLsn(value: unknown): string | undefined {
  return matching(value, /^\d{1,25}$/);
}

function matching(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}
