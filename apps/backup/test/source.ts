import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KnownAddress, KnownGroup } from '../src/estate/estate.ts';
import { openServer } from '@holdfast/sqlserver';
import { observeServer } from '@holdfast/sqlserver/observe';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';
import sql from 'mssql';
import { address, databaseIds, group } from './ledger.ts';

/** An instance with the databases of one group and what its backup job leaves behind: marks, files, rows. No procedure of BizTalk's own. */
export type Source = {
  readonly server: TestServer;
  /** Holds everything of the stand-in: a copy of it can be started as another source. */
  readonly folder: string;
  readonly group: KnownGroup;
  readonly address: KnownAddress;
  readonly env: Readonly<Record<string, string>>;
  fullSet(number: number): Promise<void>;
  /** `lost`: databases whose backup the job claims without having written it. */
  logSet(number: number, mark: string, lost?: readonly string[]): Promise<void>;
  /** The history ends; what comes next begins at low numbers, as after a failover. */
  forgetHistory(): Promise<void>;
  /** Sends any batch, as the job or an administrator would. */
  run(text: string): Promise<void>;
  close(): Promise<void>;
};

/** What the product reads of a Management database. */
export const tables = [
  `CREATE TABLE dbo.adm_BackupHistory (BackupId bigint IDENTITY(1,1) NOT NULL PRIMARY KEY, BackupSetId bigint NOT NULL,
    MarkName nvarchar(32) NULL, DatabaseName nvarchar(128) NOT NULL, BackupFileName nvarchar(500) NOT NULL,
    BackupFileLocation nvarchar(3000) NOT NULL, BackupType char(2) NOT NULL, BackupDateTime datetime NOT NULL,
    SetComplete bit NOT NULL, ServerName nvarchar(128) NULL)`,
  // A view in a real group; its rows are what is read.
  'CREATE TABLE dbo.admv_BackupDatabases (ServerName nvarchar(128) NOT NULL, DatabaseName nvarchar(128) NOT NULL)',
];

/** Within the folder of a source; the instance sees the last two by the paths below. */
export const folderNames = ['instance', 'data', 'share'] as const;
const paths = { data: 'D:\\Data', share: '\\\\backup\\bts' };

/** An instance on the folder of a source, prepared before or not. */
export function startInstance(folder: string, env: NodeJS.ProcessEnv): Promise<TestServer> {
  const maps = { [paths.data]: join(folder, 'data'), [paths.share]: join(folder, 'share') };
  return startTestServer('primary', { name: 'PRIMARY\\BTS', dataFolder: join(folder, 'instance'), maps }, env);
}

/** A connection of those who use the source; the product has its own. */
export async function connect({ address: to, credentials }: Pick<TestServer, 'address' | 'credentials'>) {
  const pool = await new sql.ConnectionPool({
    server: to.server,
    ...(to.port === null ? {} : { port: to.port }),
    ...credentials,
    database: 'master',
    requestTimeout: 0,
    options: { encrypt: to.encrypt, trustServerCertificate: to.trustServerCertificate },
  }).connect();
  return {
    run: async (text: string): Promise<void> => {
      await pool.request().batch(text);
    },
    close: () => pool.close(),
  };
}

/** How the product reaches it. */
export function addressOf(server: Pick<TestServer, 'address'>): KnownAddress['address'] {
  return { ...server.address, userRef: 'env:SOURCE_USER', passwordRef: 'env:SOURCE_PASSWORD' };
}

export async function startSource(env: NodeJS.ProcessEnv): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-backup-source-'));
  for (const name of folderNames) await mkdir(join(folder, name));
  const server = await startInstance(folder, env);
  const connection = await connect(server);
  const { run } = connection;
  const own = await openServer({ ...server, applicationName: 'holdfast-suite', clock: Date.now });
  const facts = await observeServer(own);
  await own.close();
  const place = (path: string | null) => (path ?? '').replace(/\\$/, '');
  const dataPath = server.real ? place(facts.defaultDataPath) : paths.data;
  const backupPath = server.real ? place(facts.defaultBackupPath) : paths.share;
  // A real instance keeps what other runs left there.
  const suffix = server.real ? String(Date.now()) : '';
  const names = Object.keys(databaseIds).map(name => `${name}${suffix}`) as [string, string];
  const [management] = names;

  for (const name of names) {
    await run(
      `CREATE DATABASE [${name}] ON PRIMARY (NAME = N'd', FILENAME = N'${dataPath}\\${name}.mdf') LOG ON (NAME = N'l', FILENAME = N'${dataPath}\\${name}.ldf')`,
    );
    await run(`CREATE TABLE [${name}].dbo.MarkLog (MarkName nvarchar(128) NOT NULL)`);
  }
  for (const table of tables) await run(`USE [${management}]; ${table}; USE [master];`);
  for (const name of names)
    await run(
      `INSERT [${management}].dbo.admv_BackupDatabases (ServerName, DatabaseName) VALUES (N'SQLALIAS', N'${name}')`,
    );

  const writeSet = async (set: { number: number; mark: string | null; lost: readonly string[] }) => {
    const startedAt = new Date().toISOString().slice(0, 23);
    const kind = set.mark === null ? { type: 'db', verb: 'DATABASE' } : { type: 'lg', verb: 'LOG' };
    for (const name of names) {
      const file = `${name}_${String(set.number)}.bak`;
      if (!set.lost.includes(name)) await run(`BACKUP ${kind.verb} [${name}] TO DISK = N'${backupPath}\\${file}'`);
      await run(
        `INSERT [${management}].dbo.adm_BackupHistory (BackupSetId, MarkName, DatabaseName, BackupFileName, BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName)
         VALUES (${String(set.number)}, ${set.mark === null ? 'NULL' : `N'${set.mark}'`}, N'${name}', N'${file}', N'${backupPath}', '${kind.type}', '${startedAt}', 0, N'SQLALIAS')`,
      );
    }
    await run(
      `UPDATE [${management}].dbo.adm_BackupHistory SET SetComplete = 1 WHERE BackupSetId = ${String(set.number)}`,
    );
  };

  return {
    server,
    folder,
    run,
    group: {
      ...group,
      instances: [{ ...group.instances[0]!, serverName: facts.serverName, productVersion: facts.productVersion }],
      databases: group.databases.map((database, index) => ({ ...database, name: names[index]! })),
    },
    address: {
      ...address,
      serverName: facts.serverName,
      address: addressOf(server),
    },
    env: { SOURCE_USER: server.credentials.user, SOURCE_PASSWORD: server.credentials.password },
    fullSet: number => writeSet({ number, mark: null, lost: [] }),
    async logSet(number, mark, lost = []) {
      const inserts = names.map(name => `INSERT [${name}].dbo.MarkLog (MarkName) VALUES (N'${mark}');`).join(' ');
      await run(`DECLARE @m nvarchar(32) = N'${mark}'; BEGIN TRAN @m WITH MARK @m; ${inserts} COMMIT;`);
      await writeSet({ number, mark, lost });
    },
    async forgetHistory() {
      await run(`DELETE [${management}].dbo.adm_BackupHistory`);
    },
    async close() {
      if (server.real) for (const name of names) await run(`DROP DATABASE [${name}]`);
      await connection.close();
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
