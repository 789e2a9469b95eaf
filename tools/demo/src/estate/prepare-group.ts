import type { SqlConnection } from '../sql-connection.ts';
import { renderLoadTables } from '../workload/transaction-plan.ts';
import { databases, dataPath, logPath, management, messageBox } from './sample-group.ts';

/** Makes the group's databases (in the recovery model of `model`, FULL), BizTalk's own objects in them, and the tables of the load. */
export async function prepareGroup(connection: SqlConnection): Promise<void> {
  for (const name of databases) await connection.rows(renderCreateDatabase(name));
  await connection.rows(
    `EXEC sp_standin_setup_biztalk @management = N'${management}', @group = N'BizTalk Group', @messageBox = N'${messageBox}'`,
  );
  for (const name of databases) for (const statement of renderLoadTables(name)) await connection.rows(statement);
}

function renderCreateDatabase(name: string): string {
  return [
    `CREATE DATABASE [${name}]`,
    `ON PRIMARY (NAME = N'${name}', FILENAME = N'${dataPath}\\${name}.mdf')`,
    `LOG ON (NAME = N'${name}_log', FILENAME = N'${logPath}\\${name}_log.ldf')`,
  ].join(' ');
}
