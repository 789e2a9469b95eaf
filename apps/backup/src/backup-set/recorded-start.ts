/**
 * The history stamps a set with the start of its run in UTC or in local time, as the job was told, and no row says which (biztalk-dr.md
 * §2.5). The header of its first file does: it carries the local start of that backup, which follows the stamp within minutes.
 */
export type StartEvidence = {
  /** ISO without offset. */
  readonly startedAtRecorded: string;
  /** Of the file that was written first, local to its instance; null while unread. */
  readonly firstFileStartedAtRecorded: string | null;
  /** How far that instance's local time is ahead of UTC today. */
  readonly offsetMinutes: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
};

export type RecordedStart = { readonly timeBasis: 'UTC' | 'LOCAL' | 'UNKNOWN'; readonly startedAt: string | null };

// Offsets are multiples of a quarter of an hour: a window narrower than that cannot take one for another.
const earliestMs = -60_000;
const latestMs = 14 * 60_000;
const dayMs = 86_400_000;

/** RFC 3339 UTC; null stays null where it would be a guess. */
export function placeStart(evidence: StartEvidence): RecordedStart {
  const { startedAtRecorded, firstFileStartedAtRecorded, offsetMinutes, now } = evidence;
  const unknown = { timeBasis: 'UNKNOWN', startedAt: null } as const;
  if (firstFileStartedAtRecorded === null) return unknown;
  const aheadMs = epochMs(firstFileStartedAtRecorded) - epochMs(startedAtRecorded);
  const offsetMs = offsetMinutes * 60_000;
  if (isSoonAfter(aheadMs - offsetMs)) return { timeBasis: 'UTC', startedAt: iso(epochMs(startedAtRecorded)) };
  // Of an older set the offset may have been another one, and then a UTC stamp can look like a local one.
  if (isSoonAfter(aheadMs) && isRecent(startedAtRecorded, offsetMinutes, now))
    return { timeBasis: 'LOCAL', startedAt: iso(epochMs(startedAtRecorded) - offsetMs) };
  return unknown;
}

/** A mark's local time in UTC, or null where today's offset need not be the one of that day and nothing else proves it. */
export function placeMark(
  markedAtRecorded: string,
  offsetMinutes: number,
  set: { readonly timeBasis: RecordedStart['timeBasis']; readonly startedAtRecorded: string },
  now: number,
): string | null {
  const placedMs = epochMs(markedAtRecorded) - offsetMinutes * 60_000;
  // The mark follows the stamp of its run within minutes: where that stamp is UTC, it tells the offset of that day.
  const fits = set.timeBasis === 'UTC' && isSoonAfter(placedMs - epochMs(set.startedAtRecorded));
  return fits || isRecent(markedAtRecorded, offsetMinutes, now) ? iso(placedMs) : null;
}

/** A local time in UTC, or null where today's offset need not be the one of that day. */
export function placeLocal(recorded: string, offsetMinutes: number, now: number): string | null {
  return isRecent(recorded, offsetMinutes, now) ? iso(epochMs(recorded) - offsetMinutes * 60_000) : null;
}

/** A start of which the job's step says in which time it is written. */
export function placeTold(
  startedAtRecorded: string,
  basis: 'UTC' | 'LOCAL',
  offsetMinutes: number,
  now: number,
): string | null {
  return basis === 'UTC' ? iso(epochMs(startedAtRecorded)) : placeLocal(startedAtRecorded, offsetMinutes, now);
}

function isSoonAfter(ms: number): boolean {
  return ms >= earliestMs && ms < latestMs;
}

function isRecent(recorded: string, offsetMinutes: number, now: number): boolean {
  return Math.abs(now - (epochMs(recorded) - offsetMinutes * 60_000)) <= dayMs;
}

function epochMs(recorded: string): number {
  const ms = Date.parse(`${recorded}Z`);
  if (Number.isNaN(ms)) throw new RangeError(`Not a recorded time: ${JSON.stringify(recorded)}.`);
  return ms;
}

const iso = (ms: number): string => new Date(ms).toISOString();
