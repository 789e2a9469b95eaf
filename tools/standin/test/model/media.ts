/** Backup files as the model knows them: sets one after the other, and what has happened to them since. */
import type { History, Place } from './history.ts';
import type { Damage, RecoveryModel } from './steps.ts';

export type Fork = { readonly id: number; readonly first: number; readonly point: Place | undefined };

export type BackupSet = {
  readonly id: number;
  readonly what: 'full' | 'differential' | 'log';
  readonly family: number;
  readonly first: Place;
  readonly last: Place;
  /** When it was made: a STOPAT later than that lies beyond it. */
  readonly second: number;
  readonly fork: Fork;
  readonly copyOnly: boolean;
  readonly checksum: boolean;
  readonly tail: boolean;
  readonly recoveryModel: RecoveryModel;
  /** The full that a differential belongs to. */
  readonly base: number | undefined;
  /** All that the source had logged until `last`. What of it is in the set, and whether any, follows from first and last. */
  readonly history: History;
};

type StoredSet = { readonly set: BackupSet; readonly state: 'good' | 'flipped' | 'torn' | 'unfinished' };
export type BackupFile =
  | { readonly content: 'sets'; readonly sets: readonly StoredSet[] }
  | { readonly content: 'empty' }
  | { readonly content: 'text' };
/** A file that is not there is undefined. */
type Found = BackupFile | undefined;

/** Numbers for what keeps a set from being read at all (sqlserver.md §2.4, §9.1). */
export function findSet(file: Found, position: number): StoredSet | number {
  if (file === undefined) return 3201;
  if (file.content === 'empty') return 3254;
  if (file.content === 'text') return 3241;
  const found = file.sets[position - 1];
  if (found === undefined) return 3287;
  if (found.state === 'torn') return 3203;
  return found.state === 'unfinished' ? 3256 : found;
}

/** What reading the content of a set ends with. */
export function contentFailure({ set, state }: StoredSet): number | undefined {
  if (state !== 'flipped') return undefined;
  return set.checksum ? 3183 : 3203;
}

/** What keeps a set from being appended. */
export function appendFailure(file: Found): number | undefined {
  if (file === undefined) return undefined;
  if (file.content === 'empty') return 3254;
  if (file.content === 'text') return 3241;
  return file.sets.every(({ state }) => state === 'good' || state === 'flipped') ? undefined : 3266;
}

export function append(file: Found, set: BackupSet): BackupFile {
  const sets = file?.content === 'sets' ? file.sets : [];
  return { content: 'sets', sets: [...sets, { set, state: 'good' }] };
}

/** The file afterwards; undefined: the damage cannot be done to it. */
export function damaged(file: Found, how: Damage, position: number): { readonly file: Found } | undefined {
  if (file === undefined) return undefined;
  if (how === 'lose') return { file: undefined };
  if (how === 'empty' || how === 'text') return { file: { content: how } };
  if (file.content !== 'sets') return undefined;
  const hit = file.sets[position - 1];
  if (hit?.state !== 'good') return undefined;
  const { set } = hit;
  if (how === 'flip') {
    const idle = set.what === 'log' && !set.history.some(({ at }) => at >= set.first);
    if (idle) return undefined;
    const sets = file.sets.map((each, at) => (at === position - 1 ? ({ set, state: 'flipped' } as const) : each));
    return { file: { content: 'sets', sets } };
  }
  const state = how === 'tear' ? 'torn' : 'unfinished';
  return { file: { content: 'sets', sets: [...file.sets.slice(0, position - 1), { set, state }] } };
}
