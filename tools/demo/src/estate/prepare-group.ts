import type { SqlConnection } from '../sql-connection.ts';
import { renderLoadTables } from '../workload/transaction-plan.ts';
import {
  backupPath,
  dataPath,
  logPath,
  management,
  type SampleDatabase,
  type SampleGroup,
  type SamplePair,
  type SampleRole,
} from './sample-group.ts';

/**
 * Makes the group on its source instances, one connection to each in the order of the group: the databases (in the recovery model of `model`,
 * FULL), the linked servers both ways, BizTalk's own objects and its backup job, and the tables of the load.
 */
export async function prepareGroup(group: SampleGroup, connections: readonly SqlConnection[]): Promise<void> {
  const [connection] = connections;
  if (connection === undefined) throw new Error('The group has no instance.');
  // One after the other within an instance; the instances side by side.
  await Promise.all(
    group.map(async (pair, index) => {
      for (const statement of ofInstance(group, pair)) await connections[index]?.rows(statement);
    }),
  );
  for (const statement of ofManagement(group)) await connection.rows(statement);
}

/** What databases that were cut off from their coordinator presume of a prepared transaction: the same everywhere (sqlserver.md §3.5). */
export async function prepareStandby(connections: readonly SqlConnection[]): Promise<void> {
  const options = ["'show advanced options', 1", "'in-doubt xact resolution', 2"];
  for (const connection of connections)
    for (const option of options) await connection.rows(`EXEC sp_configure ${option}; RECONFIGURE;`);
}

function ofInstance(group: SampleGroup, pair: SamplePair): readonly string[] {
  const others = group.filter(other => other !== pair).map(({ primary }) => primary.name);
  return [
    ...pair.databases.map(({ name }) => renderCreateDatabase(name)),
    ...others.flatMap(renderLinkedServer),
    // On the management instance the set-up of the group prepares them.
    ...(pair === group[0] ? [] : pair.databases.map(renderPrepare)),
    ...pair.databases.flatMap(({ name }) => renderLoadTables(name)),
  ];
}

function ofManagement(group: SampleGroup): readonly string[] {
  const placed = group.flatMap(({ primary, databases }) => databases.map(each => ({ ...each, server: primary.name })));
  const single = (role: SampleRole, parameter: string): string[] =>
    placed
      .filter(each => each.role === role)
      .flatMap(({ name, server }) => [`@${parameter} = N'${name}'`, `@${parameter}Server = N'${server}'`]);
  const parts = [
    ...single('masterMessageBox', 'messageBox'),
    ...(['tracking', 'sso', 'ruleEngine', 'bamPrimaryImport'] as const).flatMap(role => single(role, role)),
  ];
  return [
    `EXEC sp_standin_setup_biztalk @management = N'${management}', @group = N'BizTalk Group', ${parts.join(', ')}`,
    ...placed
      .filter(({ role }) => role === 'messageBox')
      .map(
        ({ name, server }) =>
          `EXEC sp_standin_add_message_box @management = N'${management}', @database = N'${name}', @server = N'${server}'`,
      ),
    ...placed
      .filter(({ role }) => role === 'bamAlerts' || role === 'custom')
      .map(
        ({ name, server, defaultName = name }) =>
          `EXEC sp_standin_cover_database @management = N'${management}', @database = N'${name}', @server = N'${server}', @default = N'${defaultName}'`,
      ),
    `EXEC sp_standin_create_backup_job @management = N'${management}', @path = N'${backupPath}'`,
  ];
}

function renderCreateDatabase(name: string): string {
  return [
    `CREATE DATABASE [${name}]`,
    `ON PRIMARY (NAME = N'${name}', FILENAME = N'${dataPath}\\${name}.mdf')`,
    `LOG ON (NAME = N'${name}_log', FILENAME = N'${logPath}\\${name}_log.ldf')`,
  ].join(' ');
}

/** BizTalk's job links servers itself when it takes a full; the load asks before that. */
function renderLinkedServer(name: string): readonly string[] {
  return [
    `EXEC sp_addlinkedserver @server = N'${name}', @srvproduct = N'SQL Server'`,
    `EXEC sp_serveroption N'${name}', 'rpc', 'true'`,
    `EXEC sp_serveroption N'${name}', 'rpc out', 'true'`,
  ];
}

function renderPrepare({ name, role }: SampleDatabase): string {
  return `EXEC sp_standin_prepare_database @database = N'${name}', @role = N'${role}'`;
}
