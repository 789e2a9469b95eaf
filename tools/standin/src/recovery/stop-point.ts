/** Where a RESTORE LOG with a stop clause ends inside one log (sqlserver.md §2.2, §3.6). */
import { fail, message } from '../messages.ts';
import { toDate, toDatetimePrecision } from '../engine/times.ts';
import type { BackupSetHeader } from './backup-set.ts';
import type { LogRecord } from '../engine/log-records.ts';
import type { Lsn, Message, RestoreStop } from '../contract.ts';

/** `until`: records before this LSN are applied. `missed`: the point lies beyond this log; all of it is applied and the database stays RESTORING. */
export type StopPoint = { readonly until: Lsn | undefined; readonly missed: Message | undefined };

export function findStop(
  stop: RestoreStop | undefined,
  log: { readonly records: readonly LogRecord[]; readonly lastLsn: Lsn; readonly sliceEndMs: number },
  position: { readonly lsn: Lsn; readonly appliedTimeMs: number },
): StopPoint {
  if (stop === undefined) return { until: undefined, missed: undefined };
  if (stop.kind === 'at time') return stopAtTime(parseStopTime(stop.time), log, position);
  if (/^lsn:/i.test(stop.mark)) return stopAtLsn(parseMarkLsn(stop.mark), stop.kind, log.lastLsn, position.lsn);
  const afterMs = stop.after === undefined ? undefined : parseStopTime(stop.after);
  const marks = log.records.filter(
    ({ entry }) =>
      // Names of marks compare exactly, whatever the collation (sqlserver.md §3.1).
      entry.kind === 'commit' &&
      entry.mark?.name === stop.mark &&
      (afterMs === undefined || asTold(entry.timeMs) >= afterMs),
  );
  const first = marks.find(({ lsn }) => lsn >= position.lsn);
  if (first === undefined && marks.length > 0) throw fail(4335);
  if (first === undefined) return { until: undefined, missed: message(4329) };
  return { until: stop.kind === 'at mark' ? first.lsn + 1n : first.lsn, missed: undefined };
}

/** Of a data backup: 4338 when the point lies before its end, 4322 or 4329 when it lies behind. */
export function findDataStop(
  stop: RestoreStop | undefined,
  header: Pick<BackupSetHeader, 'recoveryModel' | 'finishMs' | 'lastLsn'>,
): Message | undefined {
  if (stop === undefined) return undefined;
  if (stop.kind === 'at time') {
    if (header.recoveryModel === 'SIMPLE') throw fail(3145);
    const timeMs = parseStopTime(stop.time);
    const finishMs = asTold(header.finishMs);
    if (timeMs < finishMs) throw fail(4338);
    return timeMs > finishMs ? message(4322) : undefined;
  }
  const lsn = parseMarkLsn(stop.mark);
  if (lsn < BigInt(header.lastLsn)) throw fail(4338);
  return message(4329);
}

function stopAtLsn(lsn: Lsn, kind: 'at mark' | 'before mark', lastLsn: Lsn, position: Lsn): StopPoint {
  if (lsn >= lastLsn) return { until: undefined, missed: message(4329) };
  const until = kind === 'at mark' ? lsn + 1n : lsn;
  if (until < position) throw fail(4335);
  return { until, missed: undefined };
}

/** Stops before the first transaction that was committed after `timeMs`. */
function stopAtTime(
  timeMs: number,
  log: { readonly records: readonly LogRecord[]; readonly sliceEndMs: number; readonly lastLsn: Lsn },
  position: { readonly lsn: Lsn; readonly appliedTimeMs: number },
): StopPoint {
  if (timeMs < asTold(position.appliedTimeMs)) throw fail(4335);
  const beyond = log.records.find(({ entry }) => 'timeMs' in entry && asTold(entry.timeMs) > timeMs);
  if (beyond !== undefined && beyond.lsn < position.lsn) throw fail(4335);
  if (beyond !== undefined) return { until: beyond.lsn, missed: undefined };
  if (timeMs <= asTold(log.sliceEndMs)) return { until: log.lastLsn, missed: undefined };
  return { until: undefined, missed: message(4322) };
}

/** `lsn:15000000040000037` or `lsn:0x0000000f:00000028:0025` (also without 0x). */
function parseMarkLsn(mark: string): Lsn {
  const text = mark.slice(4).trim();
  if (/^\d{1,25}$/.test(text)) return BigInt(text);
  const hex = /^(?:0x)?([0-9a-f]{8}):([0-9a-f]{8}):([0-9a-f]{4})$/i.exec(text);
  if (hex === null) throw fail(4334);
  const [vlf = 0n, block = 0n, slot = 0n] = hex.slice(1).map(part => BigInt(`0x${part}`));
  return vlf * 10n ** 15n + block * 10n ** 5n + slot;
}

/** As msdb tells it, in steps of datetime: who stops at a time that he read there means the record that it is of (sqlserver.md §3.2, §3.6). */
function asTold(timeMs: number): number {
  return toDate(toDatetimePrecision(new Date(timeMs))).getTime();
}

/** Local time of the source, which is UTC here. ISO, as recovery-options.ts writes every time. */
export function parseStopTime(text: string): number {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,7})?)?$/.exec(text.trim());
  if (match === null) throw fail(241);
  const [, date = '', minutes = '', seconds = ':00'] = match;
  const timeMs = Date.parse(`${date}T${minutes}${seconds.slice(0, 7)}Z`);
  if (Number.isNaN(timeMs)) throw fail(242, 'varchar', 'datetime');
  return timeMs;
}
