import type { SqlDateTime } from '../values.ts';

const ticksPerMillisecond = 10_000n;
/** Milliseconds from 0001-01-01 to 1970-01-01. */
const unixEpochMs = 62_135_596_800_000n;

/** The instance's local time is UTC: time zone 0 everywhere. */
export function toSqlDateTime(moment: Date): SqlDateTime {
  return { kind: 'datetime', ticks: (BigInt(moment.getTime()) + unixEpochMs) * ticksPerMillisecond };
}

export function toDate(value: SqlDateTime): Date {
  return new Date(Number(value.ticks / ticksPerMillisecond - unixEpochMs));
}

/** `datetime` keeps 1/300 s: milliseconds end in 0, 3 or 7. */
export function toDatetimePrecision(moment: Date): SqlDateTime {
  const ms = moment.getTime();
  const threeHundredths = Math.round(((((ms % 1000) + 1000) % 1000) * 3) / 10);
  return toSqlDateTime(new Date(Math.floor(ms / 1000) * 1000 + Math.round((threeHundredths * 10) / 3)));
}
