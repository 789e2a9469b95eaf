import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Estate, readStatementLogs } from '@holdfast/demo';
import { freezeBetweenWrites, limitMs, type Replica, type ReplicatedServices, type ServiceName } from './replicas.ts';

export type Statement = Awaited<ReturnType<typeof readStatementLogs>>[number][number];

/** What one process brought about while it was the only one of its service that ran. */
export type Doings = {
  /** Tables of the store that differ. */
  readonly tables: readonly string[];
  /** Its statements that change something, with how they ended. */
  readonly changing: readonly Statement[];
  /** Copies at the standbys that came, went or changed; a part under its own token is none: nobody reads it. */
  readonly copies: readonly string[];
  readonly exitCode: number | null;
};

type Evidence = {
  readonly tables: ReadonlyMap<string, string>;
  readonly statements: readonly (readonly Statement[])[];
  readonly copies: ReadonlyMap<string, string>;
};

export type Scene = {
  readonly services: ReplicatedServices;
  readonly estate: Estate;
  readonly copies: readonly string[];
};

/**
 * Lets a replaced leader go on where it stands and waits for its end, while its successor stands still: whatever happens meanwhile, the old one
 * did. The successor stands nowhere within a transaction, or the old one would meet a lock and not the fence.
 */
export async function wake(scene: Scene, old: Replica, successor: Replica): Promise<Doings> {
  await freezeBetweenWrites(scene.services.storeOf(old.service), successor.app.pid);
  try {
    const token = leadingToken(scene.services.storeOf(old.service));
    const before = await gather(scene, old);
    // Delivered when it runs again: the held step goes on at once.
    process.kill(old.app.pid, 'SIGUSR2');
    const exitCode = await withinLimit(
      old.app.stop('SIGCONT'),
      () => `${old.service} did not end:\n${old.app.output()}`,
    );
    const after = await gather(scene, old);
    return {
      tables: differing(before.tables, after.tables),
      changing: after.statements.flatMap((all, index) =>
        all
          .slice(before.statements[index]?.length ?? 0)
          .filter(statement => isOfOlder(statement, old.service, token) && isChanging(statement.text)),
      ),
      copies: differing(before.copies, after.copies).filter(file => !(partToken(file) < token)),
      exitCode,
    };
  } finally {
    process.kill(successor.app.pid, 'SIGCONT');
  }
}

async function gather({ services, estate, copies }: Scene, { service }: Replica): Promise<Evidence> {
  return {
    tables: digests(services.storeOf(service)),
    statements: await readStatementLogs([...estate.primaries, ...estate.standbys]),
    // Nobody else writes there.
    copies: new Map(service === 'shipping' ? (await Promise.all(copies.map(filesIn))).flat() : []),
  };
}

/** Of the one that has taken the store over. */
function leadingToken(store: string): number {
  const db = new DatabaseSync(store, { readOnly: true });
  try {
    return Number(db.prepare('select fencing_token from leader_fence').get()?.['fencing_token']);
  } finally {
    db.close();
  }
}

/** Not of the leader under `token`, whose statement under way the server ends while the leader itself stands still. */
function isOfOlder({ program }: Statement, service: ServiceName, token: number): boolean {
  const [, name, its] = /^(holdfast-[a-z]+)(?: \S+ (\d+))?/.exec(program) ?? [];
  return name === `holdfast-${service}` && (its === undefined || Number(its) < token);
}

/** NaN for what is no part. */
function partToken(file: string): number {
  return Number(/-(\d+)\.part$/.exec(file)?.[1]);
}

/** Of every row of every table. */
function digests(store: string): ReadonlyMap<string, string> {
  const db = new DatabaseSync(store, { readOnly: true });
  try {
    const tables = db.prepare(`select name from sqlite_schema where type = 'table' order by name`).all();
    return new Map(
      tables.map(({ name }) => {
        const hash = createHash('sha256');
        for (const row of db.prepare(`select * from "${String(name)}"`).iterate()) hash.update(`${text(row)}\n`);
        return [String(name), hash.digest('hex')] as const;
      }),
    );
  } finally {
    db.close();
  }
}

function text(row: object): string {
  return JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

async function filesIn(folder: string): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return Promise.all(
    entries
      .filter(entry => entry.isFile())
      .map(async ({ parentPath, name }) => {
        const file = join(parentPath, name);
        const { size, mtimeMs } = await stat(file);
        return [file, `${String(size)} ${String(mtimeMs)}`] as const;
      }),
  );
}

function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter(key => before.get(key) !== after.get(key)).toSorted();
}

/** Whatever is not only a look. The lock's own procedures and temporary tables change nothing that outlives a session. */
export function isChanging(statement: string): boolean {
  if (/^\s*(?:(?:CREATE|DROP)\s+TABLE|INSERT)\s+#/i.test(statement)) return false;
  const harmless = statement.replaceAll(
    /\bEXEC(?:UTE)?\s+(?:@\w+\s*=\s*)?(?:[\w.[\]]*\.)?sp_(?:get|release)applock\b/gi,
    '',
  );
  return (
    /^\s*(?:RESTORE\s+(?:DATABASE|LOG)|KILL|ALTER|CREATE|DROP|BACKUP|INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b/i.test(
      harmless,
    ) ||
    /\bEXEC(?:UTE)?\b/i.test(harmless) ||
    /\bsp_(?:start|stop|update|add|delete)_job\w*\b/i.test(harmless)
  );
}

/** A leader whose token is smaller than that of one that has changed something there before. */
export function overtakenStatements(log: readonly Statement[]): readonly Statement[] {
  const greatest = new Map<string, bigint>();
  return log.filter(({ program, text: statement, outcome }) => {
    const [, leader = '', token] = /^(holdfast-[a-z]+ \S+) (\d+)\b/.exec(program) ?? [];
    if (token === undefined || outcome !== 'started' || !isChanging(statement)) return false;
    const isOvertaken = BigInt(token) < (greatest.get(leader) ?? 0n);
    if (!isOvertaken) greatest.set(leader, BigInt(token));
    return isOvertaken;
  });
}

async function withinLimit<T>(work: Promise<T>, why: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(why())), limitMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
