/**
 * The model's log of one database. Places in it are plain numbers: a generation, which every recovery of a restored database raises, and a
 * place within it. They are ordered as log sequence numbers are (sqlserver.md §2.6), and mean nothing else.
 */
import type { Write } from './steps.ts';

export type Place = number;

const generation = 1_000_000;
/** Places in a block: room for the begin of a transaction, its end and the place just behind that. */
const stride = 4;

export const beginning: Place = generation;

/** Where a restored database that stood at `place` writes on. */
export function nextGeneration(place: Place): Place {
  return (Math.floor(place / generation) + 1) * generation;
}

export type Entry =
  | { readonly kind: 'change'; readonly at: Place; readonly transaction: number; readonly writes: readonly Write[] }
  | {
      readonly kind: 'commit';
      readonly at: Place;
      readonly transaction: number;
      readonly second: number;
      readonly mark?: string;
    }
  | { readonly kind: 'abort'; readonly at: Place; readonly transaction: number; readonly second: number }
  /** A data backup leaves one (sqlserver.md §2.6: checkpoint_lsn). */
  | { readonly kind: 'checkpoint'; readonly at: Place; readonly second: number };

export type History = readonly Entry[];

/** What is written is written in blocks: the next one begins here. */
export function aligned(place: Place): Place {
  return Math.ceil(place / stride) * stride;
}

/** The changes of a transaction that has not ended. */
export function begunAt(
  next: Place,
  part: { readonly transaction: number; readonly writes: readonly Write[] },
): { readonly entry: Entry; readonly next: Place } {
  return { entry: { kind: 'change', at: next, ...part }, next: next + 1 };
}

/** Its commit, and where the log goes on. A marked one, or one of several databases, is first prepared: that takes a block of its own. */
export function committedAt(
  next: Place,
  part: {
    readonly transaction: number;
    readonly second: number;
    readonly prepared: boolean;
    readonly mark: string | undefined;
  },
): { readonly entry: Entry; readonly next: Place } {
  const { transaction, second, prepared, mark } = part;
  const behind = Math.floor(next / stride) * stride + (prepared ? 2 : 1) * stride;
  // Alone in its block it stands where the block begins, which a backup before it may have named as its end.
  const at = !prepared && next === aligned(next) ? next : behind - 2;
  const commit = { kind: 'commit', at, transaction, second } as const;
  return { entry: mark === undefined ? commit : { ...commit, mark }, next: behind };
}

export function checkpointAt(next: Place, second: number): { readonly entry: Entry; readonly next: Place } {
  return { entry: { kind: 'checkpoint', at: next, second }, next: aligned(next + 1) };
}

/** The end of a transaction that is rolled back: its changes are undone before it. */
export function undoneAt(
  next: Place,
  { transaction, second }: { readonly transaction: number; readonly second: number },
): { readonly entry: Entry; readonly next: Place } {
  return { entry: { kind: 'abort', at: next + 1, transaction, second }, next: aligned(next + 2) };
}

export function slice(history: History, from: Place, to: Place): History {
  return history.filter(({ at }) => at >= from && at < to);
}

/** Rows after all that committed. */
export function rowsOf(history: History): ReadonlyMap<number, number> {
  const rows = new Map<number, number>();
  const pending = new Map<number, readonly Write[]>();
  for (const entry of history) {
    if (entry.kind === 'change') pending.set(entry.transaction, entry.writes);
    if (entry.kind !== 'commit') continue;
    for (const write of pending.get(entry.transaction) ?? []) {
      if (write.kind === 'delete') rows.delete(write.id);
      else rows.set(write.id, write.value);
    }
  }
  return rows;
}

/** Transactions that the history leaves without an end. */
export function openIn(history: History): readonly number[] {
  const open = new Set<number>();
  for (const entry of history) {
    if (entry.kind === 'change') open.add(entry.transaction);
    else if (entry.kind !== 'checkpoint') open.delete(entry.transaction);
  }
  return [...open];
}

/** The newest moment that the history knows of. */
export function newestSecond(history: History): number {
  return history.reduce((newest, entry) => ('second' in entry ? Math.max(newest, entry.second) : newest), -1);
}

/** True when both tell the same up to `place`. */
export function sameUntil(one: History, other: History, place: Place): boolean {
  const [mine, theirs] = [slice(one, 0, place), slice(other, 0, place)];
  return mine.length === theirs.length && mine.every((entry, at) => entry === theirs[at]);
}
