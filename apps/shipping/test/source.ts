import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireMarkName } from '@holdfast/domain';
import { discoveredId } from '@holdfast/service';
import { openServer, type SqlServer } from '@holdfast/sqlserver';
import { observeDatabase, observeHeaders, observeMarks, observeServer } from '@holdfast/sqlserver/observe';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';
import type { SetPayload } from './estate.ts';

/** Two servers, two databases on the first, and the backups of them as the backup service would publish them. */
export async function startEstate(names: readonly string[]) {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one();
  };
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-shipping-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  try {
    const source = await startSource(folder, names);
    closers.push(source.close);
    const copies = join(folder, 'copies');
    const standby = await startStandby(folder, copies);
    closers.push(() => standby.close());
    const target = await connect(standby, closers);
    const administer = await sender(target, closers);
    const setInDoubt = async (value: number) => {
      await administer("EXEC sp_configure 'show advanced options', 1; RECONFIGURE");
      await administer(`EXEC sp_configure 'in-doubt xact resolution', ${String(value)}; RECONFIGURE`);
    };
    return { ...source, standby, target, copies, setInDoubt, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export type Circumstances = {
  readonly env?: NodeJS.ProcessEnv;
  readonly name?: string;
  /** Of the stand-in, as its README names them. */
  readonly faults?: readonly string[];
};

/** The standby instance with its own files in `folder`; it sees `copies` as `E:\\Copies`. */
export async function startStandby(
  folder: string,
  copies: string,
  { env = process.env, name = 'STANDBY\\BTS', faults = [] }: Circumstances = {},
): Promise<TestServer> {
  return startInstance('standby', { name, folder, shares: { 'E:\\Copies': copies }, faults }, env);
}

/** The primary instance with these databases; `take` makes the next backup set, `without` a database that the job left out. */
export async function startSource(folder: string, names: readonly string[], instance = 'PRIMARY\\BTS') {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one();
  };
  const backups = join(folder, 'backups');
  const primary = await startInstance('primary', { name: instance, folder, shares: { 'D:\\Backup': backups } });
  closers.push(() => primary.close());
  try {
    const source = await connect(primary, closers);
    const run = await sender(source, closers);
    for (const name of names) {
      const files = `(NAME = N'd', FILENAME = N'D:\\Data\\${name}.mdf') LOG ON (NAME = N'l', FILENAME = N'D:\\Data\\${name}.ldf')`;
      await run(`CREATE DATABASE [${name}] ON ${files}`);
      await run(`CREATE TABLE [${name}].dbo.MarkLog (MarkName nvarchar(128) NOT NULL)`);
    }
    const { majorVersion } = await observeServer(source);
    const groupId = discoveredId('group', 'Orders');
    let number = 0;
    const take = async (type: 'FULL' | 'LOG', without?: string): Promise<SetPayload> => {
      const taken = names.filter(name => name !== without);
      number += 1;
      const mark = type === 'LOG' ? `BTS_${String(number)}` : null;
      if (mark !== null) {
        const inserts = names.map(name => `INSERT [${name}].dbo.MarkLog (MarkName) VALUES (@m);`).join(' ');
        await run(`DECLARE @m nvarchar(32) = N'${mark}'; BEGIN TRAN @m WITH MARK; ${inserts} COMMIT;`);
      }
      for (const name of taken)
        await run(
          `BACKUP ${type === 'FULL' ? 'DATABASE' : 'LOG'} [${name}] TO DISK = N'D:\\Backup\\${pathOf(name, type, number)}'`,
        );
      return qualified({ source, instance, majorVersion, groupId, names: taken, number, type, mark });
    };
    return { primary, backups, groupId, run, take, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startInstance(
  role: 'primary' | 'standby',
  of: {
    readonly name: string;
    readonly folder: string;
    readonly shares: Readonly<Record<string, string>>;
    readonly faults?: readonly string[];
  },
  env: NodeJS.ProcessEnv = process.env,
): Promise<TestServer> {
  const { name, folder, shares, faults = [] } = of;
  const data = join(folder, `${role}-data`);
  const dataFolder = join(folder, role);
  for (const made of [data, dataFolder, ...Object.values(shares)]) await mkdir(made, { recursive: true });
  const maps = { ...shares, 'D:\\Data': data };
  return startTestServer(role, { name, dataFolder, maps, faults }, env);
}

export const positionAt = async (server: SqlServer, name: string) =>
  (await observeDatabase(server, name)).database?.redoStartLsn ?? null;

const pathOf = (name: string, type: string, number: number) => `${name}_${type}_${String(number)}.bak`;

export async function connect(
  { address, credentials }: TestServer,
  closers: (() => Promise<unknown>)[],
): Promise<SqlServer> {
  const server = await openServer({ address, credentials, applicationName: 'holdfast-suite', clock: Date.now });
  closers.push(() => server.close());
  return server;
}

/** Statements that the product itself never sends. */
export async function sender(server: SqlServer, closers: (() => Promise<unknown>)[]) {
  const connection = await server.dedicated('holdfast-suite-work');
  closers.push(() => connection.close());
  const about = { name: 'suite', purpose: 'test', documentation: 'none', repeat: 'unsafe', channel: 'batch' } as const;
  return (text: string) =>
    connection.send({ ...about, duration: 'long', text: () => text, inputs: {}, columns: {}, example: {} }, {});
}

type Taken = {
  readonly source: SqlServer;
  readonly instance: string;
  readonly majorVersion: number;
  readonly groupId: string;
  readonly names: readonly string[];
  readonly number: number;
  readonly type: 'FULL' | 'LOG';
  readonly mark: string | null;
};

async function qualified({
  source,
  instance,
  majorVersion,
  groupId,
  names,
  number,
  type,
  mark,
}: Taken): Promise<SetPayload> {
  const setId = discoveredId('set', String(number));
  const marks = mark === null ? [] : (await observeMarks(source, [requireMarkName(mark)])).marks;
  const startedAt = new Date().toISOString();
  const files: SetPayload['files'] = [];
  for (const name of names) {
    const path = `D:\\Backup\\${pathOf(name, type, number)}`;
    const [header] = (await observeHeaders(source, { path, majorVersion })).headers;
    if (header === undefined) throw new Error(`no header in ${path}`);
    const {
      backupSetUuid,
      familyGuid,
      lastForkGuid,
      firstLsn,
      lastLsn,
      checkpointLsn,
      databaseBackupLsn,
      hasChecksums,
    } = header;
    files.push({
      fileId: discoveredId('file', setId, name),
      databaseId: discoveredId('database', name),
      databaseName: name,
      sourceInstanceId: discoveredId('instance', instance),
      sourceInstance: instance,
      path,
      position: 1,
      state: 'VERIFIED',
      reasons: [],
      markLsn: marks.find(({ databaseName }) => databaseName === name)?.lsn ?? null,
      header: {
        backupSetUuid,
        familyGuid,
        firstForkGuid: header.firstForkGuid ?? lastForkGuid,
        lastForkGuid,
        firstLsn,
        lastLsn,
        checkpointLsn,
        databaseBackupLsn,
        size: header.backupSize,
        hasChecksums,
        copyOnly: header.isCopyOnly,
        finishedAtRecorded: header.finishedAt.recorded,
      },
    });
  }
  return {
    setId,
    groupId,
    version: 1,
    number: String(number),
    type,
    markName: mark,
    startedAtRecorded: startedAt.slice(0, 19),
    timeBasis: 'UTC',
    startedAt,
    state: 'VERIFIED',
    reasons: [],
    files,
  };
}
