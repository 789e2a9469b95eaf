import type { RecoveredDatabase } from '../oracle/history.ts';
import { connected, type SqlConnection, type SqlServer } from '../sql-connection.ts';
import { readMarks } from '../workload/watcher.ts';

/** What the clients of the group find after the failover: read as any client would, from databases that are open. */
export function readRecovered(servers: readonly SqlServer[]): Promise<RecoveredDatabase[]> {
  return connected(servers, 'oracle', async connections => {
    const recovered: RecoveredDatabase[] = [];
    for (const [{ databases }, connection] of connections)
      for (const name of databases) recovered.push(await readDatabase(connection, name));
    return recovered;
  });
}

async function readDatabase(connection: SqlConnection, name: string): Promise<RecoveredDatabase> {
  const ids = await connection.rows(`SELECT Id FROM [${name}].dbo.DemoLedger`);
  // As text: the driver makes a JavaScript number of a decimal.
  const [sum] = await connection.rows(
    `SELECT CONVERT(varchar(40), SUM(Balance)) AS Total FROM [${name}].dbo.DemoAccount`,
  );
  return {
    name,
    ids: new Set(ids.map(({ Id }) => String(Id))),
    marks: (await readMarks(connection, [name])).get(name) ?? [],
    balance: BigInt(String(sum?.['Total'])),
  };
}
