import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { StoreError, storeError } from './errors.ts';

/**
 * Leadership over one service's store. The lease is an exclusive transaction on a database of its own, never committed: the operating
 * system frees the lock with the process, so that after kill -9 the next one leads at once and no time-out has to be guessed. The fencing
 * token lives in a file beside it, because what the exclusive transaction writes is lost by design; only the holder of the lock writes
 * that file, so reading, raising and replacing it needs no lock of its own.
 */
export type Lease = {
  /** Raised by every acquisition; a target that has seen a higher one refuses this holder. */
  readonly fencingToken: number;
  held(): boolean;
  release(): void;
};

export type LeaseOptions = { readonly file: string };

/** A collected DatabaseSync would close itself and give the lock away: held ones stay reachable. */
const heldDatabases = new Set<DatabaseSync>();

/** Undefined while another process leads. @throws StoreError when the file cannot be used. */
export function tryAcquireLease({ file }: LeaseOptions): Lease | undefined {
  const db = lockedDatabase(file);
  if (db === undefined) return undefined;
  try {
    const fencingToken = raiseToken(`${file}.token`);
    let held = true;
    heldDatabases.add(db);
    return {
      fencingToken,
      held: () => held,
      release() {
        if (!held) return;
        held = false;
        heldDatabases.delete(db);
        db.close();
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Waits until this process leads; rejects with the signal's reason when told to stop waiting. */
export async function acquireLease(
  options: LeaseOptions & { readonly signal?: AbortSignal; readonly retryMs?: number },
): Promise<Lease> {
  const { signal, retryMs = 200 } = options;
  for (;;) {
    signal?.throwIfAborted();
    const lease = tryAcquireLease(options);
    if (lease !== undefined) return lease;
    await pause(retryMs, signal);
  }
}

function lockedDatabase(file: string): DatabaseSync | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    db.exec('begin exclusive');
    return db;
  } catch (error) {
    db?.close();
    const typed = storeError(error, 'The lease could not be taken');
    if (typed instanceof StoreError && typed.kind === 'busy') return undefined;
    throw typed;
  }
}

function raiseToken(file: string): number {
  const next = readToken(file) + 1;
  const fresh = `${file}.new`;
  const handle = openSync(fresh, 'w');
  try {
    writeSync(handle, `${next}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
  return next;
}

function readToken(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (Error.isError(error) && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
  const token = Number(text.trim());
  // Starting again from 1 would let a frozen older leader pass as the newer one.
  if (!Number.isSafeInteger(token) || token < 1)
    throw new StoreError(
      'corrupt',
      'The fencing token beside the lease is unreadable; restore it or use a new data folder.',
    );
  return token;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(done, ms);
  signal?.addEventListener('abort', done, { once: true });
  function done(): void {
    clearTimeout(timer);
    signal?.removeEventListener('abort', done);
    resolve(undefined);
  }
  return promise;
}
