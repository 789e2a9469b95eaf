import type { SqlConnection } from '../sql-connection.ts';
import type { Journal } from './journal.ts';
import { repeat, type Repeating } from './repeating.ts';

/** Reads `MarkLog` of every database in rounds. A round that could not ask them all is left out: it would prove nothing. */
export function startWatcher(
  connection: SqlConnection,
  databases: readonly string[],
  journal: Journal,
  everyMs: number,
): Repeating {
  const round = async (): Promise<void> => {
    const began = journal.moment();
    const marks = new Map<string, ReadonlySet<string>>();
    for (const name of databases) marks.set(name, new Set(await readMarks(connection, name)));
    journal.rounds.push({ began, ended: journal.moment(), marks });
  };
  // The server that it watches is going to be killed.
  return repeat(round, everyMs, () => undefined);
}

export async function readMarks(connection: SqlConnection, database: string): Promise<string[]> {
  const rows = await connection.rows(`SELECT MarkName FROM [${database}].dbo.MarkLog`);
  return rows.map(({ MarkName }) => String(MarkName));
}
