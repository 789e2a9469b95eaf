import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Lsn } from '@holdfast/domain/lsn';
import { openExclusive, openServer, restoreFull, restoreLog, type SqlServer } from '@holdfast/sqlserver';
import { observeHeaders, observeMarks } from '@holdfast/sqlserver/observe';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';

/** The folder of backups as both instances name it. */
export function backupFolder(env: NodeJS.ProcessEnv): string {
  return env['SQLSERVER_SHARED_FOLDER'] ?? '\\\\share\\bts';
}

/** One instance with its own files under `folder`; `share` is the folder of this machine behind the backups. */
export function startInstance(
  role: 'primary' | 'standby',
  { folder, share, env }: { readonly folder: string; readonly share: string; readonly env: NodeJS.ProcessEnv },
  name: string = role,
): Promise<TestServer> {
  const dataFolder = join(folder, name);
  const data = join(folder, `${name}-files`);
  for (const made of [share, dataFolder, data]) mkdirSync(made, { recursive: true });
  return startTestServer(
    role,
    { name: name.toUpperCase(), dataFolder, maps: { [backupFolder(env)]: share, 'D:\\Data': data } },
    env,
  );
}

/** A primary and a standby that see one backup folder, as if every copy had been made already. */
export async function startTwoServers(folder: string, env: NodeJS.ProcessEnv) {
  const place = { folder, share: join(folder, 'share'), env };
  const primary = await startInstance('primary', place);
  const standby = await startInstance('standby', place);
  return { primary, standby, backup: backupFolder(env) };
}

/** Two sources and two standby instances, stand-ins all: no environment names so many real ones. */
export async function startFourServers(folder: string, withoutUrls: NodeJS.ProcessEnv) {
  const place = { folder, share: join(folder, 'share'), env: withoutUrls };
  const [source1, source2, standby1, standby2] = await Promise.all([
    startInstance('primary', place, 'btsdb1'),
    startInstance('primary', place, 'btsdb2'),
    startInstance('standby', place, 'drdb1'),
    startInstance('standby', place, 'drdb2'),
  ]);
  return { sources: [source1, source2], standbys: [standby1, standby2], backup: backupFolder(withoutUrls) } as const;
}

export async function open({ address, credentials }: TestServer): Promise<SqlServer> {
  return openServer({ address, credentials, applicationName: 'restore-test', clock: Date.now });
}

/** Statements of a source that the product itself never sends. */
export async function send(server: SqlServer, text: string): Promise<void> {
  const entry = {
    name: 'test',
    purpose: '',
    documentation: '',
    repeat: 'unsafe',
    channel: 'batch',
    duration: 'short',
  } as const;
  await server.query({ ...entry, text: () => text, inputs: {}, columns: {}, example: {} }, {});
}

/** In FULL recovery, as model gives it (sqlserver.md §9.2). */
export async function createDatabases(server: SqlServer, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await send(server, `CREATE DATABASE [${name}];`);
    await send(server, `CREATE TABLE [${name}].dbo.MarkLog (MarkName nvarchar(128) NOT NULL);`);
  }
}

/** One marked transaction over all databases, as the backup job makes it (biztalk-dr.md §2.5). */
export async function mark(server: SqlServer, names: readonly string[], markName: string): Promise<void> {
  const inserts = names.map(name => `INSERT [${name}].dbo.MarkLog (MarkName) VALUES (N'${markName}');`).join(' ');
  await send(server, `BEGIN TRAN [${markName}] WITH MARK N'BTS'; ${inserts} COMMIT TRAN;`);
}

export type Taken = {
  readonly name: string;
  readonly number: number;
  readonly path: string;
  readonly markLsn: Lsn | null;
  readonly header: Awaited<ReturnType<typeof observeHeaders>>['headers'][number];
};

/** A full (no mark) or log backup of every database, with what header and mark history say about it. */
export async function backUp(
  server: SqlServer,
  names: readonly string[],
  folder: string,
  number: number,
  markName: string | null,
): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  for (const name of names) {
    const path = `${folder}\\${name}_${String(number)}.bak`;
    const kind = markName === null ? 'DATABASE' : 'LOG';
    await send(server, `BACKUP ${kind} [${name}] TO DISK = N'${path}' WITH FORMAT, INIT;`);
    const { headers } = await observeHeaders(server, { path, majorVersion: 16 });
    const { marks } = await observeMarks(server, markName === null ? [] : [markName]);
    const markLsn = marks.find(row => row.databaseName === name)?.lsn ?? null;
    taken.push({ name, number, path, header: headers[0]!, markLsn });
  }
  return taken;
}

/** What shipping would have done. */
export async function seed(
  server: SqlServer,
  group: string,
  fulls: readonly Taken[],
  logs: readonly Taken[],
): Promise<void> {
  const purpose = { service: 'shipping', operation: 'test' };
  const exclusive = await openExclusive(server, { group, fencingToken: '1', purpose });
  if ('refused' in exclusive) throw new Error(exclusive.message);
  const source = ({ path }: Taken) => ({ path, position: 1, checksum: false });
  for (const full of fulls) await restoreFull(exclusive, { database: full.name, source: source(full), replace: false });
  for (const log of logs) await restoreLog(exclusive, { database: log.name, source: source(log) });
  await exclusive.release();
}
