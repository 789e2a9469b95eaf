import { readFile } from 'node:fs/promises';

/** A line of a stand-in's statement log. */
export type LoggedStatement = {
  /** When it started or ended, by the server's clock. */
  readonly at: string;
  /** The session, of that instance. */
  readonly spid: number;
  readonly program: string;
  readonly text: string;
  readonly outcome: 'started' | 'ok' | 'failed' | 'cancelled' | 'unsupported';
  readonly milliseconds: number;
};

export function parseStatementLog(text: string): LoggedStatement[] {
  const lines = text.split('\n');
  // What a killed process was writing has no end of line.
  return lines.slice(0, -1).map(line => JSON.parse(line) as LoggedStatement);
}

/** The logs of several instances: sessions of one have nothing to do with those of another. */
export function readStatementLogs(
  instances: readonly { readonly statementLog: string }[],
): Promise<readonly (readonly LoggedStatement[])[]> {
  return Promise.all(instances.map(async each => parseStatementLog(await readFile(each.statementLog, 'utf8'))));
}

/**
 * How often a statement that must not run twice was sent again after it had done its work, whatever came of it then: a full that starts a
 * sequence again, and a stop at a mark, which past its mark would roll to the end of the file (sqlserver.md §3.6). The same full for the same
 * database, once per seeding, is what a standby needs; `reseeded` names the databases for which a person confirmed one more, in the failover.
 * An attempt that did not end well may be sent again: its sender looks first.
 */
export function countUnsafeRepeats(statements: readonly LoggedStatement[], reseeded: readonly string[] = []): number {
  const done = new Set<string>();
  const allowed = new Set(reseeded);
  let repeats = 0;
  for (const { program, text, outcome } of statements) {
    if (!program.startsWith('holdfast-') || !isUnsafe(text)) continue;
    const work = withoutReplace(text);
    const database = reseededDatabase({ program, text });
    // The one that was confirmed: as often as it takes, until it has ended well once.
    const isConfirmed = database !== undefined && allowed.has(database);
    if (outcome === 'started' && done.has(work) && !isConfirmed) repeats += 1;
    if (outcome === 'ok') {
      done.add(work);
      if (isConfirmed) allowed.delete(database);
    }
  }
  return repeats;
}

/** The database that a failover begins again from a full backup with this statement. */
export function reseededDatabase({ program, text }: Pick<LoggedStatement, 'program' | 'text'>): string | undefined {
  if (!program.startsWith('holdfast-restore ')) return undefined;
  return /^\s*RESTORE\s+DATABASE\s+\[((?:[^\]]|\]\])+)\][^]*\bFROM\b/i.exec(text)?.[1];
}

/** The time of the database that took the longest, from the statements that the failover sent for each: they ran in parallel at best. */
export function criticalPathSeconds(statements: readonly LoggedStatement[]): number {
  const byDatabase = new Map<string, number>();
  for (const { program, text, outcome, milliseconds } of statements) {
    const database = /^\s*RESTORE\s+(?:DATABASE|LOG)\s+\[((?:[^\]]|\]\])+)\]/i.exec(text)?.[1];
    if (database === undefined || outcome !== 'ok' || !program.startsWith('holdfast-restore ')) continue;
    byDatabase.set(database, (byDatabase.get(database) ?? 0) + milliseconds);
  }
  return Math.max(0, ...byDatabase.values()) / 1_000;
}

function isUnsafe(text: string): boolean {
  return /^\s*RESTORE\s+DATABASE\b[^]*\bFROM\b/i.test(text) || /^\s*RESTORE\s+LOG\b[^]*\bSTOPATMARK\b/i.test(text);
}

/** What is sent over the remains of a seeding is the same full. */
function withoutReplace(text: string): string {
  return text.replace(/,\s*REPLACE\b/i, '');
}
