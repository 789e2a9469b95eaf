/**
 * STANDBY: a database that is being restored and can be read meanwhile (sqlserver.md §2.3). What was open in its log is undone in its rows alone; the
 * undo file keeps what was undone, and the next RESTORE puts it back before it goes on. Log and data file stay those of the restoring database.
 */
import { readFile } from 'node:fs/promises';
import { compareText } from '../engine/compare.ts';
import { frame, readFrames } from '../engine/frames.ts';
import { decodeRecord, frameRecord, type Change } from '../engine/log-records.ts';
import { folderExists } from '../engine/new-database.ts';
import { applyChange, undoChange } from '../engine/redo.ts';
import { fail, SqlError } from '../messages.ts';
import { operatingSystemError, translateSystemError } from './operating-system-errors.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';

const magic = Buffer.from('HFSTUNDO');

/** 3170 when the undo file cannot lie there, or belongs to somebody else (sqlserver.md §2.3). */
export async function assertUndoFile(instance: Instance, database: string, path: string): Promise<void> {
  const taken = [...instance.databases.values()].some(each => {
    const own = compareText(each.name, database) === 0;
    const undo = own ? undefined : each.description.standby?.undoFile;
    const paths = [...each.files.map(file => file.physicalName), ...(undo === undefined ? [] : [undo])];
    return paths.some(other => compareText(other, path) === 0);
  });
  if (taken || path === '' || !(await folderExists(instance, path))) throw fail(3170);
}

/** The caller has the database for itself, restoring at its position. Durable when this resolves. */
export async function enterStandby(instance: Instance, database: StoredDatabase, undoFile: string): Promise<void> {
  const host = instance.hostPath(undoFile);
  const { redoStart } = database.description;
  if (host === undefined || redoStart === undefined) throw new Error(`${database.name} cannot become a standby`);
  // A stray file until the database has it: what a crash leaves of it goes at the start.
  instance.strayFiles.add(undoFile);
  await instance.save();
  // The file first: a standby whose undo file is not there can never go on.
  try {
    await instance.disk.replace(host, undoFileOf(database, redoStart.lsn));
  } catch (cause) {
    // One that cannot be removed now stays on the list.
    await instance.removeStrayFiles([undoFile]).catch(() => undefined);
    throw new SqlError(fail(3170).messages, 'statement', cause);
  }
  undoRows(database, redoStart.lsn);
  instance.strayFiles.delete(undoFile);
  database.change({ standby: { undoFile } });
  await instance.save();
}

/** Back to plain restoring. The undo file is a stray file then: the caller saves the instance's list and removes it. 3441 when it is gone. */
export async function leaveStandby(instance: Instance, database: StoredDatabase): Promise<void> {
  const { standby, redoStart } = database.description;
  if (standby === undefined || redoStart === undefined) return;
  const changes = await readUndoFile(instance, database);
  for (const change of changes) applyChange(database, change, redoStart.lsn);
  instance.strayFiles.add(standby.undoFile);
  database.change({ standby: undefined });
}

/** At the start, when files and log were loaded as those of any restoring database. Without its undo file it is SUSPECT (sqlserver.md §9.2). */
export async function reopenStandby(instance: Instance, database: StoredDatabase): Promise<void> {
  const { redoStart } = database.description;
  if (!database.inStandby || redoStart === undefined || database.failure !== undefined) return;
  try {
    await readUndoFile(instance, database);
    undoRows(database, redoStart.lsn);
  } catch (cause) {
    database.failure = { state: 'SUSPECT', cause };
    await database.log.close();
  }
}

function* undoFileOf(database: StoredDatabase, lsn: bigint): Iterable<Buffer> {
  yield magic;
  yield frame(Buffer.from(headOf(database, lsn)));
  for (const [transaction, { changes }] of database.open) {
    for (const change of changes) yield frameRecord({ lsn, entry: { kind: 'change', transaction, change } });
  }
}

function headOf(database: StoredDatabase, lsn: bigint): string {
  const count = [...database.open.values()].reduce((sum, { changes }) => sum + changes.length, 0);
  return JSON.stringify({ family: database.familyGuid, position: String(lsn), changes: count });
}

async function readUndoFile(instance: Instance, database: StoredDatabase): Promise<readonly Change[]> {
  const { standby, redoStart } = database.description;
  if (standby === undefined || redoStart === undefined) throw new Error(`${database.name} is no standby`);
  const inaccessible = (why: string): Error => fail(3441, database.name, database.id, standby.undoFile, why);
  // It was not there at the start: rows and log are not those of a standby, whatever lies there by now.
  if (database.failure !== undefined) throw inaccessible(operatingSystemError(2));
  const host = instance.hostPath(standby.undoFile) ?? '';
  const bytes = await readFile(host).catch((failure: unknown) => {
    throw inaccessible(translateSystemError(failure));
  });
  const { payloads, end } = readFrames(bytes, magic.length);
  const [head, ...records] = payloads;
  const whole = bytes.subarray(0, magic.length).equals(magic) && end === bytes.length;
  if (!whole || head?.toString() !== headOf(database, redoStart.lsn)) throw inaccessible(operatingSystemError(13));
  return records.flatMap(record => {
    const { entry } = decodeRecord(record);
    return entry.kind === 'change' ? [entry.change] : [];
  });
}

/** The list of open transactions stays: their changes are only out of the rows. */
function undoRows(database: StoredDatabase, lsn: bigint): void {
  for (const { changes } of database.open.values()) {
    for (const change of changes.toReversed()) undoChange(database, change, lsn);
  }
}
