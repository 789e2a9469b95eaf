/** The world that every trial gets a copy of: databases in every state that the statements under test start from. */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mssql from 'mssql';
import { driverConfig, folders, startInstance, type Instance } from './instance.ts';

/** A backup file of the share. */
export function file(name: string): string {
  return `DISK = N'S:\\Backup\\${name}.bak'`;
}

/** Where a copy of a database has its files. */
export function moved(from: string, to: string): string {
  return `MOVE '${from}' TO 'D:\\Data\\${to}.mdf', MOVE '${from}_log' TO 'D:\\Data\\${to}.ldf'`;
}

/**
 * So much log that a truncation gives the file's space back, which rewrites it; and all of it in one block, so that where the log goes on after a
 * crash cannot be told from its last record.
 */
export const bulk = (database: string, first: number): string =>
  `BEGIN TRAN; DECLARE @i int = 0; WHILE @i < 60 BEGIN INSERT ${database}.dbo.t VALUES (${first} + @i, REPLICATE(N'x', 3000)); SET @i = @i + 1; END; COMMIT`;

/**
 * App, Box: ONLINE, in full recovery, with work since their last backup; App holds the mark m1 between rows 200 and 202, and row 300 was
 * open over the end of app-log. Copy: restored from app-full. Ready: rolled forward to the end of app-log. Old: like App, of a family of its
 * own. Shut: OFFLINE. Mgmt, Msg: a BizTalk group with a full set. NewMgmt, NewMsg: not yet one.
 */
export async function makeTemplate(): Promise<string> {
  const world = makeWorld();
  const first = await startInstance(world);
  await makeDatabases(first);
  await first.stop();
  const second = await startInstance(world);
  for (const database of ['App', 'Old']) await second.run(bulk(database, 400));
  // Not in order: every trial begins with a start from what a crash left.
  await second.kill();
  return world;
}

async function makeDatabases(instance: Instance): Promise<void> {
  for (const database of ['App', 'Box', 'Old', 'Shut', 'Mgmt', 'Msg', 'NewMgmt', 'NewMsg'])
    await instance.run(`CREATE DATABASE ${database}`);
  for (const database of ['App', 'Box', 'Old', 'Shut'])
    await instance.run(`CREATE TABLE ${database}.dbo.t (id int PRIMARY KEY, v nvarchar(4000))`);
  await instance.run(bulk('App', 1));
  await instance.run(`INSERT Shut.dbo.t VALUES (1, N'shut')`);
  for (const database of ['App', 'Box', 'Old'])
    await instance.run(`BACKUP DATABASE ${database} TO ${file(`${database}-full`)} WITH CHECKSUM`);
  await logWithMark(instance);
  await instance.run(`BACKUP DATABASE App TO ${file('App-diff')} WITH DIFFERENTIAL, CHECKSUM`);
  await instance.run(`RESTORE DATABASE Copy FROM ${file('App-full')} WITH NORECOVERY, ${moved('App', 'Copy')}`);
  await instance.run(`RESTORE DATABASE Ready FROM ${file('App-full')} WITH NORECOVERY, ${moved('App', 'Ready')}`);
  await instance.run(`RESTORE LOG Ready FROM ${file('App-log')} WITH NORECOVERY`);
  await instance.run('ALTER DATABASE Shut SET OFFLINE');
  await instance.run("EXEC sp_standin_setup_biztalk @management = N'Mgmt', @group = N'Crash', @messageBox = N'Msg'");
  await instance.run("DECLARE @now datetime = GETUTCDATE(); EXEC Mgmt.dbo.sp_BackupAllFull 'BTS', 'S:\\Backup', @now");
}

async function logWithMark(instance: Instance): Promise<void> {
  await instance.run(`INSERT App.dbo.t VALUES (200, N'before the mark')`);
  await instance.run(
    `BEGIN TRAN m1 WITH MARK; INSERT App.dbo.t VALUES (201, N'm1'); INSERT Box.dbo.t VALUES (201, N'm1'); COMMIT`,
  );
  await instance.run(`INSERT App.dbo.t VALUES (202, N'after the mark')`);
  const other = await new mssql.ConnectionPool(driverConfig(instance.port)).connect();
  await other.request().batch(`BEGIN TRAN; INSERT App.dbo.t VALUES (300, N'open')`);
  await instance.run(`BACKUP LOG App TO ${file('App-log')} WITH CHECKSUM`);
  await other.request().batch('ROLLBACK');
  await other.close();
}

/** Empty folders for a first start. */
export function makeWorld(): string {
  const world = mkdtempSync(join(tmpdir(), 'standin-world-'));
  for (const folder of folders) mkdirSync(join(world, folder));
  return world;
}

export function copyOf(template: string): string {
  const world = mkdtempSync(join(tmpdir(), 'standin-crash-'));
  cpSync(template, world, { recursive: true });
  return world;
}

export function removeWorld(world: string): void {
  rmSync(world, { recursive: true, force: true, maxRetries: 5 });
}
