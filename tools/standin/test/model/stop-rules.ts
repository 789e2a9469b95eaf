/** Where the model ends a RESTORE with a stop clause (sqlserver.md §2.2 to §2.4, §3.6). */
import { newestSecond, sameUntil, slice, type Entry, type Place } from './history.ts';
import type { BackupSet } from './media.ts';
import type { Landmark, Stop } from './steps.ts';
import type { Restoring, World } from './world.ts';

type DataStop = { readonly error?: number; readonly missed?: number };
type LogStop = { readonly error: number } | { readonly until: Place | undefined; readonly missed: number | undefined };

/** What a stop on a data backup ends with, or what says that it lies beyond (sqlserver.md §2.2 to §2.4). */
export function stopAtData(stop: Stop | undefined, set: BackupSet, world: World): DataStop | 'undefined behaviour' {
  if (stop === undefined || stop.kind === 'mark') return {};
  if (stop.kind === 'lsn') {
    const place = placeOf(stop.of, set, world);
    if (place === undefined) return 'undefined behaviour';
    return place < set.last ? { error: 4338 } : { missed: 4329 };
  }
  if (set.recoveryModel === 'SIMPLE') return { error: 3145 };
  if (stop.at < set.second) return { error: 4338 };
  return stop.at > set.second ? { missed: 4322 } : {};
}

export function stopInLog(
  world: World,
  stop: Stop | undefined,
  { redo, history }: Restoring,
  set: BackupSet,
): LogStop | 'undefined behaviour' {
  if (stop === undefined) return { until: undefined, missed: undefined };
  const entries = slice(set.history, set.first, set.last);
  if (stop.kind === 'time') {
    if (stop.at < newestSecond(slice(history, 0, redo.at))) return { error: 4335 };
    const beyond = entries.find(entry => 'second' in entry && entry.second > stop.at);
    if (beyond !== undefined) return { until: beyond.at, missed: undefined };
    return { until: undefined, missed: stop.at <= set.second ? undefined : 4322 };
  }
  if (stop.kind === 'lsn') {
    const place = placeOf(stop.of, set, world);
    if (place === undefined) return 'undefined behaviour';
    if (place >= set.last) return { until: undefined, missed: 4329 };
    const until = stop.before ? place : place + 1;
    return until < redo.at ? { error: 4335 } : { until, missed: undefined };
  }
  const { name, after = 0 } = stop;
  const isMark = (entry: Entry): boolean => entry.kind === 'commit' && entry.mark === name && entry.second >= after;
  const marks = entries.filter(isMark);
  const first = marks.find(({ at }) => at >= redo.at);
  if (first !== undefined) return { until: stop.before ? first.at : first.at + 1, missed: undefined };
  return marks.length > 0 ? { error: 4335 } : { until: undefined, missed: 4329 };
}

/** Whether there ever was what the stop refers to. */
export function isKnown(stop: Stop | undefined, { landmarks }: World): boolean {
  return stop?.kind !== 'lsn' || landmarks.some(each => isLandmark(stop.of, each));
}

function isLandmark({ database, second, at }: Landmark, other: Landmark): boolean {
  return other.database === database && other.second === second && other.at === at;
}

/** Where it lies for a set. Undefined: on another path, where numbers do not compare. */
function placeOf(landmark: Landmark, { family, history, last }: BackupSet, { landmarks }: World): Place | undefined {
  const known = landmarks.find(each => isLandmark(landmark, each));
  if (known?.family !== family) return undefined;
  return sameUntil(known.history, history, Math.min(known.place, last)) ? known.place : undefined;
}
