import type { Estate } from '../estate/estate.ts';
import type { Waiting } from '../failover/operator.ts';
import { type LoggedStatement, readStatementLogs, reseededDatabase } from '../failover/statements.ts';
import { connected } from '../sql-connection.ts';
import type { BrokenSet } from './broken-set.ts';

/** A stop of the failover that waits for a person: what it says, and how things stand at the standby. */
export type Stop = Waiting & {
  /** Databases that are not in RESTORING. */
  readonly open: readonly string[];
  /** Databases whose log of the set before the broken one was rolled to its end: past that set's mark. */
  readonly past: readonly string[];
};

/** Looked up at the standby itself while the failover waits. */
export async function stopOf(
  waiting: Waiting,
  { standbys }: Pick<Estate, 'standbys'>,
  { filesBefore }: Pick<BrokenSet, 'filesBefore'>,
): Promise<Stop> {
  const open = await connected(standbys, 'stop check', async all => {
    const states = all.map(async ([{ databases }, connection]) => {
      const rows = await connection.rows('SELECT name, state_desc FROM sys.databases');
      const restoring = new Set(rows.filter(row => row['state_desc'] === 'RESTORING').map(row => String(row['name'])));
      return databases.filter(name => !restoring.has(name));
    });
    return (await Promise.all(states)).flat();
  });
  const statements = (await readStatementLogs(standbys)).flat();
  return { ...waiting, open, past: rolledToTheEnd(statements, filesBefore) };
}

/** Databases of which this log was restored without a stop. */
export function rolledToTheEnd(
  statements: readonly LoggedStatement[],
  files: ReadonlyMap<string, string>,
): readonly string[] {
  const whole = statements.filter(
    ({ text, outcome }) => outcome === 'ok' && /^\s*RESTORE\s+LOG\b/i.test(text) && !/\bSTOPATMARK\b/i.test(text),
  );
  return [...files].flatMap(([database, file]) => (whole.some(({ text }) => text.includes(file)) ? [database] : []));
}

/** Databases for which the failover sent a full backup, whatever came of it. */
export function reseededBy(statements: readonly LoggedStatement[]): readonly string[] {
  return [...new Set(statements.flatMap(each => reseededDatabase(each) ?? []))];
}

/** What the step that offers the older mark says of the databases; undefined when it does not say it. */
export function databasesOfOffer(
  { step: { why } }: Pick<Waiting, 'step'>,
  mark: string,
): { readonly past: readonly string[]; readonly notPast: readonly string[] } | undefined {
  const [, past, notPast] = new RegExp(`\\bPast ${mark}: ([^.]*)\\..*\\bNot past it: ([^.]*)\\.`).exec(why) ?? [];
  return past === undefined || notPast === undefined ? undefined : { past: namesOf(past), notPast: namesOf(notPast) };
}

function namesOf(list: string): readonly string[] {
  return list === 'none' ? [] : list.split(', ');
}
