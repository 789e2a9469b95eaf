import { readFile } from 'node:fs/promises';
import type { LoggedStatement } from '@holdfast/demo';

export async function readStatements(file: string): Promise<readonly LoggedStatement[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  // What is being written has no end of line yet.
  return lines.slice(0, -1).map(line => JSON.parse(line) as LoggedStatement);
}

/** The database that a RESTORE changes; headers and file lists name none. */
export function restoredDatabase(text: string): string | undefined {
  return /^\s*RESTORE\s+(?:DATABASE|LOG)\s+\[((?:[^\]]|\]\])+)\]/i.exec(text)?.[1];
}

/** RESTOREs that ended well, sent by `shipping` or by a failover (`restore`), in the order in which they ended. */
export function restoresBy(
  sender: 'shipping' | 'restore',
  statements: readonly LoggedStatement[],
): readonly LoggedStatement[] {
  return statements
    .filter(({ program, text, outcome }) => {
      return outcome === 'ok' && program.startsWith(`holdfast-${sender}`) && restoredDatabase(text) !== undefined;
    })
    .toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** Milliseconds within which at least one of them ran. */
export function busyMs(restores: readonly LoggedStatement[]): number {
  const spans = restores
    .map(({ at, milliseconds }) => ({ from: Date.parse(at) - milliseconds, to: Date.parse(at) }))
    .toSorted((a, b) => a.from - b.from);
  let until = -Infinity;
  let total = 0;
  for (const { from, to } of spans) {
    total += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return total;
}

/** One set on its way: from its completion at the source until its last database stood at its mark. */
export type Shipped = { readonly mark: string; readonly totalMs: number; readonly restoringMs: number };

/**
 * Sets that came to rest at their mark on every database. A set is complete when the procedure that took it (`sp_MarkAll`) has ended; a mark
 * bears the moment of its beginning in its name. `restoringMs`: within it the standby was busy with RESTORE.
 */
export function shippedSets(
  source: readonly LoggedStatement[],
  standby: readonly LoggedStatement[],
  databases: number,
): readonly Shipped[] {
  const completed = source
    .filter(({ text, outcome }) => outcome === 'ok' && /\bsp_MarkAll\b/.test(text))
    .map(({ at }) => Date.parse(at))
    .toSorted((a, b) => a - b);
  const restores = restoresBy('shipping', standby);
  const byMark = new Map<string, Map<string, number>>();
  for (const { text, at } of restores) {
    const mark = /\bSTOPATMARK\s*=\s*N'([^']+)'/i.exec(text)?.[1];
    if (mark === undefined) continue;
    const places = byMark.get(mark) ?? new Map<string, number>();
    byMark.set(mark, places.set(restoredDatabase(text) ?? '', Date.parse(at)));
  }
  return [...byMark].flatMap(([mark, places]) => {
    const began = timeOfMark(mark);
    const complete = completed.find(at => at >= began);
    if (complete === undefined || places.size < databases) return [];
    const arrived = Math.max(...places.values());
    const within = restores.filter(({ at }) => Date.parse(at) > complete && Date.parse(at) <= arrived);
    return [{ mark, totalMs: arrived - complete, restoringMs: busyMs(within) }];
  });
}

/** BTS_2026_11_21_17_01_43_133, in UTC as at the sample estate. */
function timeOfMark(mark: string): number {
  const [year, month, day, hour, minute, second, ms] = mark.split('_').slice(1);
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
}
