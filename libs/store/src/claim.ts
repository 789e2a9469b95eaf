import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError, storeError } from './errors.ts';
import { startOfProcess } from './process-identity.ts';

/**
 * The files of a lease. Claim N is `<name>-N.json`: who claimed token N (written once, whole, before it has that name) and in a second line
 * the heartbeat, which only its holder writes. The claim with the greatest number is the newest. Its `lock` is a database in an exclusive
 * transaction, never committed, which the operating system frees with the process.
 */
export type Holder = {
  readonly pid: number;
  /** With the pid, the process itself; null where the system does not tell. */
  readonly started: string | null;
  /** RFC 3339 UTC, for people to read. */
  readonly since: string;
  /** Where the replicas may be on several machines. */
  readonly host?: string;
};

export type Claim = {
  readonly token: number;
  /** Undefined when the file is not what a holder writes: then nobody lives behind it. */
  readonly holder: Holder | undefined;
  /** Changes while the holder runs. */
  readonly beat: string;
  /** Whether the holder's process lives, running or frozen. */
  isAlive(): boolean;
  remove(): void;
};

export type OwnClaim = {
  readonly token: number;
  /** @throws StoreError or a system error when the disk refuses it. */
  writeBeat(count: number): void;
  /** Frees the lock; the claim stays, so that the next token is greater. */
  close(): void;
};

/** A collected DatabaseSync would close itself and give the lock away: held ones stay reachable. */
const heldLocks = new Set<DatabaseSync>();

/** Greatest first. */
export function claimedTokens(name: string): number[] {
  const prefix = `${basename(name)}-`;
  return readdirSync(dirname(name))
    .flatMap(file => {
      const digits = file.startsWith(prefix) ? /^(\d{1,15})\.json$/.exec(file.slice(prefix.length))?.[1] : undefined;
      return digits === undefined ? [] : [Number(digits)];
    })
    .sort((a, b) => b - a);
}

/** All that are there, the newest first. */
export function claims(name: string): Claim[] {
  return claimedTokens(name).flatMap(token => readClaim(name, token) ?? []);
}

/** Undefined when nobody ever claimed. */
export function newestClaim(name: string): Claim | undefined {
  for (;;) {
    const [token] = claimedTokens(name);
    if (token === undefined) return undefined;
    const claim = readClaim(name, token);
    // Removed between the two looks: a newer one is there by now.
    if (claim !== undefined) return claim;
  }
}

/** Claims this very token; undefined when somebody else did, or a greater one. The lock is taken first: a claim is never seen without it. */
export function claimToken(name: string, token: number): OwnClaim | undefined {
  const lockFile = `${name}-${randomUUID()}.lock`;
  const lock = lockedDatabase(lockFile);
  heldLocks.add(lock);
  const close = (): void => {
    heldLocks.delete(lock);
    lock.close();
    rmSync(lockFile, { force: true });
  };
  const file = fileOf(name, token);
  try {
    const holder: Holder = {
      pid: process.pid,
      started: startOfProcess(process.pid),
      since: new Date().toISOString(),
    };
    const head = `${JSON.stringify({ ...holder, lock: basename(lockFile) })}\n`;
    if (!createWhole(file, `${head}${renderBeat(0)}`)) {
      close();
      return undefined;
    }
    // Frozen between looking and claiming, we may have taken an old number that was cleared away meanwhile: it was never ours to lead with.
    if (claimedTokens(name)[0] !== token) {
      rmSync(file, { force: true });
      close();
      return undefined;
    }
    const handle = openSync(file, 'r+');
    return {
      token,
      writeBeat: count => {
        writeSync(handle, renderBeat(count), Buffer.byteLength(head));
      },
      close: () => {
        closeSync(handle);
        close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function fileOf(name: string, token: number): string {
  return `${name}-${String(token)}.json`;
}

/** Of one length, so that each overwrites the one before and a full disk does not stop it. */
function renderBeat(count: number): string {
  return `${String(count).padStart(15, '0')}\n`;
}

/** False when the file is there. A link, because it either gives a whole file that name or nothing, whenever the process is frozen or killed. */
function createWhole(file: string, text: string): boolean {
  const fresh = `${file}.${randomUUID()}`;
  try {
    writeFileSync(fresh, text);
    const handle = openSync(fresh, 'r+');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    linkSync(fresh, file);
    return true;
  } catch (error) {
    if (Error.isError(error) && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
}

function readClaim(name: string, token: number): Claim | undefined {
  const file = fileOf(name, token);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (Error.isError(error) && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const [head = '', beat = ''] = text.split('\n');
  const known = parseHead(head);
  const lockFile = known === undefined ? undefined : join(dirname(name), basename(known.lock));
  return {
    token,
    holder: known?.holder,
    beat,
    isAlive: () => lockFile !== undefined && isLocked(lockFile),
    remove() {
      removeUnlessOpen(file);
      if (lockFile !== undefined) removeUnlessOpen(lockFile);
    },
  };
}

/** Undefined for what no holder wrote whole: a power cut may leave an empty file, and no holder outlives that. */
function parseHead(text: string): { readonly holder: Holder; readonly lock: string } | undefined {
  let head: unknown;
  try {
    head = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof head !== 'object' || head === null) return undefined;
  const { pid, started, since, lock } = head as Partial<Record<string, unknown>>;
  if (typeof pid !== 'number' || typeof since !== 'string' || typeof lock !== 'string') return undefined;
  return { holder: { pid, started: typeof started === 'string' ? started : null, since }, lock };
}

/** Windows keeps a file that somebody is looking at: then a later leader clears it away. */
function removeUnlessOpen(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch (error) {
    if (!Error.isError(error) || !('code' in error) || (error.code !== 'EBUSY' && error.code !== 'EPERM')) throw error;
  }
}

function lockedDatabase(file: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    // Nothing is ever written: a journal beside it would only be left behind by a kill -9.
    db.exec('pragma journal_mode = memory; begin exclusive');
    return db;
  } catch (error) {
    db?.close();
    throw storeError(error, 'The lease could not be taken');
  }
}

/** Asks with a shared lock on a read-only connection: those who ask do not see each other, and a lock file that is gone is not made anew. */
function isLocked(file: string): boolean {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0, readOnly: true });
    db.exec('pragma schema_version');
    return false;
  } catch (error) {
    const typed = storeError(error, 'The lease could not be looked at');
    if (typed instanceof StoreError && typed.kind === 'busy') return true;
    // Given back: the holder takes its lock file away.
    if (typed instanceof StoreError && typed.kind === 'cannot-open') return false;
    throw typed;
  } finally {
    db?.close();
  }
}
