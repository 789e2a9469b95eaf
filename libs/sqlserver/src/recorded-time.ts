/**
 * Times as the server recorded them: text without an offset. msdb times and mark times are local to their server; the history's are UTC or
 * local as the job was told, which no row says (sqlserver.md §8.2, biztalk-dr.md §4.12).
 */
export type TimeBasis = 'UTC' | 'LOCAL' | 'UNKNOWN';

export type RecordedTime = { readonly recorded: string; readonly basis: TimeBasis };

const recordedShape = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,7})?$/;

const epochMs = (recorded: string): number => {
  const ms = recordedShape.test(recorded) ? Date.parse(`${recorded.slice(0, 23)}Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw new RangeError(`Not a recorded time: ${JSON.stringify(recorded)}.`);
  return ms;
};

/**
 * Minutes that local time is ahead of UTC, from the two clocks of one statement. Rounded to the quarter hour: time zones are, and the two
 * readings may differ by an instant.
 */
export const utcOffsetMinutes = (utcNow: string, localNow: string): number =>
  Math.round((epochMs(localNow) - epochMs(utcNow)) / 60_000 / 15) * 15;

/** RFC 3339 UTC, or null where the basis is unknown. `offsetMinutes` must be the server's offset at that time, not only today's. */
export const placeTime = ({ recorded, basis }: RecordedTime, offsetMinutes: number): string | null => {
  if (basis === 'UNKNOWN') return null;
  const shiftMs = basis === 'LOCAL' ? offsetMinutes * 60_000 : 0;
  return new Date(epochMs(recorded) - shiftMs).toISOString();
};
