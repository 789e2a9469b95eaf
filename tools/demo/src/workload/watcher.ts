import type { SqlConnection, SqlServer } from '../sql-connection.ts';
import type { Journal } from './journal.ts';
import { repeat, type Repeating } from './repeating.ts';

/** An instance and the watcher's connection to it. */
export type Watched = readonly [Pick<SqlServer, 'databases'>, SqlConnection];

/** Reads `MarkLog` of every database in rounds. A round that could not ask them all is left out: it would prove nothing. */
export function startWatcher(watched: readonly Watched[], journal: Journal, everyMs: number): Repeating {
  const round = async (): Promise<void> => {
    const began = journal.moment();
    const seen = await Promise.all(watched.map(([server, connection]) => readMarks(connection, server.databases)));
    journal.rounds.push({
      began,
      ended: journal.moment(),
      marks: new Map(seen.flatMap(one => [...one]).map(([name, marks]) => [name, new Set(marks)])),
    });
  };
  // The servers that it watches are going to be killed.
  return repeat(round, everyMs, () => undefined);
}

/** Database → the marks in its `MarkLog`. */
export async function readMarks(
  connection: SqlConnection,
  databases: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const sets = await connection.resultSets(
    databases.map(name => `SELECT MarkName FROM [${name}].dbo.MarkLog;`).join(' '),
  );
  if (sets.length !== databases.length) throw new Error(`${databases.length} databases gave ${sets.length} answers.`);
  return new Map(databases.map((name, index) => [name, (sets[index] ?? []).map(({ MarkName }) => String(MarkName))]));
}
