import { setTimeout } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { existsSync } from 'node:fs';
import type { Holder } from './claim.ts';
import { StoreError, storeError } from './errors.ts';
import type { Lease } from './lease.ts';
import { endProcess } from './process-identity.ts';
import { StallWatch } from './stall-watch.ts';

/**
 * The store's own word on who leads: one row with the greatest token that ever took it over. A new leader raises it before it reads anything
 * it will act on; from that commit on no transaction of an older one can commit, because each looks at this row after it has the write
 * lock and before it does anything else. Written with the store's durability, so that tokens never go down, whatever becomes of the
 * lease's files.
 *
 * A leader frozen inside a write transaction holds the file's write lock, and only its end frees it. It is superseded by its claim: the
 * successor waits `blockedLimitMs`, says for whom, and ends the processes of older claims that still live, each only if pid and start time
 * are those it recorded. Where the system does not tell start times nobody is ended, and a person has to do it.
 */
export type FenceOptions = {
  readonly file: string;
  readonly lease: Lease;
  readonly signal?: AbortSignal;
  /** 3,000 when left out: a transaction of ours takes milliseconds. */
  readonly blockedLimitMs?: number;
  /** Who keeps the store locked, as far as known, and what is done about it; called at each change. */
  readonly blocked?: (explanation: string) => void;
};

const retryMs = 20;
const table = `create table if not exists leader_fence (
  id integer not null primary key check (id = 1), fencing_token integer not null
) strict`;
export const selectFence = 'select fencing_token from leader_fence';

/** The greatest token that ever led the store; 0 for a new one, and while it is locked: whoever locks it holds a claim, which counts as well. */
export function readFence(file: string): number {
  if (!existsSync(file)) return 0;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 50 });
    const known = db.prepare(`select 1 from sqlite_schema where name = 'leader_fence'`).get();
    return known === undefined ? 0 : Number(db.prepare(selectFence).get()?.['fencing_token'] ?? 0);
  } catch (error) {
    const typed = storeError(error, 'The store could not be asked who led it');
    if (typed instanceof StoreError && typed.kind === 'busy') return 0;
    throw typed;
  } finally {
    db?.close();
  }
}

/** Takes the store over. @throws StoreError `superseded` when a newer leader has it or the lease is lost while waiting. */
export async function raiseFence(options: FenceOptions): Promise<void> {
  const { file, lease, signal, blockedLimitMs = 3_000 } = options;
  const watch = new StallWatch(10 * retryMs);
  let said = '';
  const say = (explanation: string): void => {
    if (explanation !== said) options.blocked?.(explanation);
    said = explanation;
  };
  for (;;) {
    signal?.throwIfAborted();
    if (!lease.held()) throw superseded(lease, 'it was lost before the store was taken over');
    if (tryRaise(file, lease)) return;
    const older = lease.older();
    say(explain(older));
    if (watch.look('blocked', performance.now()) >= blockedLimitMs) {
      const ended = older.filter(endProcess);
      if (ended.length > 0) say(`the store was locked by ${pids(ended)}, a replaced leader: ended`);
    }
    await setTimeout(retryMs);
  }
}

export function superseded(lease: Lease, why: string): StoreError {
  return new StoreError('superseded', `Token ${String(lease.fencingToken)} does not lead this store: ${why}.`);
}

/** False while somebody keeps the store locked. */
function tryRaise(file: string, lease: Lease): boolean {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 50 });
    db.exec('pragma journal_mode = wal; pragma synchronous = full; begin immediate');
    db.exec(table);
    const token = Number(db.prepare(selectFence).get()?.['fencing_token'] ?? 0);
    if (token >= lease.fencingToken) throw superseded(lease, `token ${String(token)} led it already`);
    db.prepare('insert or replace into leader_fence (id, fencing_token) values (1, ?)').run(lease.fencingToken);
    db.exec('commit');
    return true;
  } catch (error) {
    const typed = storeError(error, 'The store could not be taken over');
    if (typed instanceof StoreError && typed.kind === 'busy') return false;
    throw typed;
  } finally {
    db?.close();
  }
}

function explain(older: readonly Holder[]): string {
  if (older.length === 0) return 'the store is locked by another program';
  const canTell = older.some(({ started }) => started !== null);
  return `the store is locked, by all appearances by ${pids(older)}, a replaced leader that stands still${canTell ? '' : ': end it'}`;
}

function pids(holders: readonly Holder[]): string {
  return holders.map(({ pid, since }) => `pid ${String(pid)} (led since ${since})`).join(' and ');
}
