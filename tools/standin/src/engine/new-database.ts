/** Makes databases: those of the system at an instance's first start, tempdb at every start, and those of CREATE DATABASE. */
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { saveDataFile } from './data-file.ts';
import { DatabaseLog } from './database-log.ts';
import { defaultPaths, type Instance } from './instance.ts';
import { joinServerPath } from './host-paths.ts';
import { firstLsn } from './lsn.ts';
import { msdbTables } from './msdb-tables.ts';
import { captureSnapshot } from './snapshot.ts';
import { StoredDatabase, type DatabaseDescription } from './stored-database.ts';
import type { DatabaseFile, RecoveryModel } from '../contract.ts';

/** Sizes of a new database's files (8 MB each, model's sizes since 2016: learn.microsoft.com, model database; CREATE DATABASE speaks of 25 percent for the log as well). */
const initialBytes = 8_388_608n;

export function defaultFiles(name: string): readonly DatabaseFile[] {
  return [
    {
      logicalName: name,
      physicalName: joinServerPath(defaultPaths.data, `${name}.mdf`),
      type: 'D',
      sizeBytes: initialBytes,
      fileId: 1,
    },
    {
      logicalName: `${name}_log`,
      physicalName: joinServerPath(defaultPaths.log, `${name}_log.ldf`),
      type: 'L',
      sizeBytes: initialBytes,
      fileId: 2,
    },
  ];
}

export function newDescription(
  instance: Instance,
  part: {
    readonly id: number;
    readonly name: string;
    readonly files: readonly DatabaseFile[];
    readonly recoveryModel: RecoveryModel;
    readonly ownerSid: Uint8Array;
  },
): DatabaseDescription {
  const fork = instance.newGuid();
  return {
    id: part.id,
    name: part.name,
    createdAt: instance.clock(),
    state: 'ONLINE',
    readOnly: false,
    userAccess: 'MULTI_USER',
    recoveryModel: part.recoveryModel,
    files: part.files,
    familyGuid: instance.newGuid(),
    databaseGuid: instance.newGuid(),
    recoveryForkGuid: fork,
    firstRecoveryForkGuid: fork,
    forkPointLsn: undefined,
    lastLogBackupLsn: undefined,
    chainBegins: false,
    differentialBase: undefined,
    redoStart: undefined,
    interrupted: false,
    tailApplied: false,
    ownerSid: Buffer.from(part.ownerSid).toString('hex'),
  };
}

/** Writes the files of an empty database and adds it to the instance; the caller saves the instance's list. */
export async function makeDatabase(instance: Instance, description: DatabaseDescription): Promise<StoredDatabase> {
  const database = new StoredDatabase(description, DatabaseLog.volatile(firstLsn), firstLsn);
  if (!database.volatile) {
    const { disk } = instance;
    await saveDataFile(disk, instance.dataPath(database), captureSnapshot(database));
    database.log = await DatabaseLog.create(disk, instance.logPath(database), firstLsn);
  }
  instance.add(database);
  return database;
}

/** True when the folder of a server path exists on this machine. */
export async function folderExists(instance: Instance, path: string): Promise<boolean> {
  const host = instance.hostPath(path);
  if (host === undefined) return false;
  return access(dirname(host)).then(
    () => true,
    () => false,
  );
}

const systemDatabases = [
  { id: 1, name: 'master', recoveryModel: 'SIMPLE', data: ['master', 'master.mdf'], log: ['mastlog', 'mastlog.ldf'] },
  { id: 2, name: 'tempdb', recoveryModel: 'SIMPLE', data: ['tempdev', 'tempdb.mdf'], log: ['templog', 'templog.ldf'] },
  { id: 3, name: 'model', recoveryModel: 'FULL', data: ['modeldev', 'model.mdf'], log: ['modellog', 'modellog.ldf'] },
  { id: 4, name: 'msdb', recoveryModel: 'SIMPLE', data: ['MSDBData', 'MSDBData.mdf'], log: ['MSDBLog', 'MSDBLog.ldf'] },
] as const;

export async function makeSystemDatabases(instance: Instance): Promise<void> {
  for (const { id, name, recoveryModel, data, log } of systemDatabases) {
    const files: readonly DatabaseFile[] = [
      {
        logicalName: data[0],
        physicalName: joinServerPath(defaultPaths.data, data[1]),
        type: 'D',
        sizeBytes: initialBytes,
        fileId: 1,
      },
      {
        logicalName: log[0],
        physicalName: joinServerPath(defaultPaths.log, log[1]),
        type: 'L',
        sizeBytes: initialBytes,
        fileId: 2,
      },
    ];
    const ownerSid = Uint8Array.of(1);
    const database = await makeDatabase(
      instance,
      newDescription(instance, { id, name, files, recoveryModel, ownerSid }),
    );
    if (name === 'msdb') await fillMsdb(instance, database);
  }
}

async function fillMsdb(instance: Instance, msdb: StoredDatabase): Promise<void> {
  const transaction = instance.nextTransactionId();
  msdb.log.append({ kind: 'begin', transaction });
  for (const definition of msdbTables(instance.options.majorVersion)) {
    const table = msdb.nextObjectId;
    const lsn = msdb.log.append({ kind: 'change', transaction, change: { kind: 'create table', table, definition } });
    msdb.addTable(table, definition, lsn);
  }
  msdb.log.append({ kind: 'commit', transaction, timeMs: instance.clock().getTime() });
  await msdb.log.flush();
}

/** tempdb begins empty at every start. */
export function emptyTempdb(description: DatabaseDescription): StoredDatabase {
  return new StoredDatabase(description, DatabaseLog.volatile(firstLsn), firstLsn);
}
