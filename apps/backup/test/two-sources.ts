import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseId, InstanceId } from '@holdfast/domain';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';
import type { KnownAddress, KnownGroup } from '../src/estate/estate.ts';
import { groupId } from './ledger.ts';
import { addressOf, connect, tables } from './source.ts';

const id = (n: number) => `0198f2c4-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** The sample group: thirteen databases on two instances, of which the tables name the second by an alias. */
export const instances = [
  { instanceId: id(21) as InstanceId, serverName: 'BTSDB1\\BTS', configuredName: 'BTSDB1\\BTS' },
  { instanceId: id(22) as InstanceId, serverName: 'BTSDB2\\BTS', configuredName: 'SQLALIAS2' },
] as const;
const roles = [
  [
    ['BizTalkMgmtDb', 'MANAGEMENT'],
    ['BizTalkMsgBoxDb', 'MESSAGE_BOX_MASTER'],
    ['BizTalkRuleEngineDb', 'RULE_ENGINE'],
    ['SSODB', 'SSO'],
    ['BAMPrimaryImport', 'BAM_PRIMARY_IMPORT'],
    ['BAMAlertsApplication', 'BAM_ALERTS_APPLICATION'],
    ['BAMAlertsNSMain', 'BAM_ALERTS_INSTANCE'],
  ],
  [
    ['BizTalkMsgBoxDb2', 'MESSAGE_BOX'],
    ['BizTalkDTADb', 'TRACKING'],
    ['EsbExceptionDb', 'CUSTOM'],
    ['EsbItineraryDb', 'CUSTOM'],
    ['Orders', 'CUSTOM'],
    ['Billing', 'CUSTOM'],
  ],
] as const;
export const databasesOn = roles.map(each => each.map(([name]) => name)) as readonly (readonly string[])[];
const [management] = roles[0][0];

export const group: KnownGroup = {
  groupId,
  version: 1,
  name: 'Orders',
  site: 'Dublin',
  observedAt: '2026-11-21T09:59:00.000Z',
  managementDatabaseId: id(300),
  instances: instances.map(({ instanceId, serverName, configuredName: name }) => {
    return { instanceId, name, serverName, productVersion: '16.0.1000.6' };
  }),
  databases: roles.flatMap((each, at) =>
    each.map(([name, role], index) => ({
      databaseId: id(300 + at * 100 + index) as DatabaseId,
      name,
      role,
      instanceId: instances[at]!.instanceId,
      inBackupJob: true,
      state: 'ONLINE',
      recoveryModel: 'FULL',
    })),
  ),
};

type Connection = Awaited<ReturnType<typeof connect>>;

/** Two instances under one group's backup job: files and marks on each, the history on the first. No procedure of BizTalk's own. */
export type TwoSources = {
  readonly addresses: readonly KnownAddress[];
  readonly env: Readonly<Record<string, string>>;
  /** Marks and files of one set, each on its own instance; the history says nothing of it yet. `mark` null: a full set. */
  write(number: number, mark: string | null): Promise<void>;
  /** The rows of the set, complete. */
  list(number: number, mark: string | null): Promise<void>;
  /** Ends an instance as if its machine had lost power. */
  end(at: 0 | 1): Promise<void>;
  /** Starts it again on its folder: the way to it is another one. */
  restart(at: 0 | 1): Promise<KnownAddress>;
  close(): Promise<void>;
};

/** Both instances write to the path of one name, each its own folder. */
const paths = { data: 'D:\\Data', share: 'D:\\Backup' };
const history = `[${management}].dbo.adm_BackupHistory`;

export async function startTwoSources(env: NodeJS.ProcessEnv): Promise<TwoSources> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-backup-two-sources-'));
  const servers: TestServer[] = [];
  const connections: Connection[] = [];
  const secrets: Record<string, string> = {};
  const versions = [0, 0];

  const addressAt = (at: number): KnownAddress => {
    const { instanceId, serverName } = instances[at]!;
    const references = { userRef: `env:SOURCE_USER_${String(at)}`, passwordRef: `env:SOURCE_PASSWORD_${String(at)}` };
    return { instanceId, serverName, version: versions[at]!, address: { ...addressOf(servers[at]!), ...references } };
  };
  const start = async (at: number): Promise<KnownAddress> => {
    const own = join(folder, String(at));
    for (const name of ['instance', 'data', 'share']) await mkdir(join(own, name), { recursive: true });
    const maps = { [paths.data]: join(own, 'data'), [paths.share]: join(own, 'share') };
    const { serverName } = instances[at]!;
    const server = await startTestServer('primary', { name: serverName, dataFolder: join(own, 'instance'), maps }, env);
    servers[at] = server;
    connections[at] = await connect(server);
    versions[at]! += 1;
    secrets[`SOURCE_USER_${String(at)}`] = server.credentials.user;
    secrets[`SOURCE_PASSWORD_${String(at)}`] = server.credentials.password;
    return addressAt(at);
  };
  const run = (at: number, text: string) => connections[at]!.run(text);
  const nameOf = (database: string, number: number) => `${database}_${String(number)}.bak`;

  const addresses = [await start(0), await start(1)];
  for (const [at, names] of databasesOn.entries())
    for (const name of names) {
      await run(
        at,
        `CREATE DATABASE [${name}] ON PRIMARY (NAME = N'd', FILENAME = N'${paths.data}\\${name}.mdf') LOG ON (NAME = N'l', FILENAME = N'${paths.data}\\${name}.ldf')`,
      );
      await run(at, `CREATE TABLE [${name}].dbo.MarkLog (MarkName nvarchar(128) NOT NULL)`);
    }
  for (const table of tables) await run(0, `USE [${management}]; ${table}; USE [master];`);
  for (const [at, names] of databasesOn.entries())
    for (const name of names)
      await run(
        0,
        `INSERT [${management}].dbo.admv_BackupDatabases (ServerName, DatabaseName) VALUES (N'${instances[at]!.configuredName}', N'${name}')`,
      );

  return {
    addresses,
    env: secrets,
    async write(number, mark) {
      for (const [at, names] of databasesOn.entries()) {
        const inserts = names.map(name => `INSERT [${name}].dbo.MarkLog (MarkName) VALUES (N'${mark ?? ''}');`);
        if (mark !== null)
          await run(
            at,
            `DECLARE @m nvarchar(32) = N'${mark}'; BEGIN TRAN @m WITH MARK @m; ${inserts.join(' ')} COMMIT;`,
          );
        const verb = mark === null ? 'DATABASE' : 'LOG';
        for (const name of names)
          await run(at, `BACKUP ${verb} [${name}] TO DISK = N'${paths.share}\\${nameOf(name, number)}'`);
      }
    },
    async list(number, mark) {
      const startedAt = new Date().toISOString().slice(0, 23);
      const rows = databasesOn.flatMap((names, at) =>
        names.map(
          name =>
            `(${String(number)}, ${mark === null ? 'NULL' : `N'${mark}'`}, N'${name}', N'${nameOf(name, number)}', N'${paths.share}', '${mark === null ? 'db' : 'lg'}', '${startedAt}', 1, N'${instances[at]!.configuredName}')`,
        ),
      );
      await run(
        0,
        `INSERT ${history} (BackupSetId, MarkName, DatabaseName, BackupFileName, BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName) VALUES ${rows.join(', ')}`,
      );
    },
    async end(at) {
      await connections[at]!.close();
      await servers[at]!.close();
    },
    restart: start,
    async close() {
      for (const connection of connections) await connection.close();
      for (const server of servers) await server.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
