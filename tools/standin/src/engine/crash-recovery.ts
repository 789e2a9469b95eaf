/**
 * Brings databases back after a stop of any kind. Redo from the data file's snapshot through the whole log; then transactions that were prepared
 * are settled by the commit journal, in the journal's order, in every database; what is left open is undone, unless another instance decides about it.
 */
import { loadDataFile } from './data-file.ts';
import { DatabaseLog } from './database-log.ts';
import { later } from './lsn.ts';
import { redo, undoOpen } from './redo.ts';
import { StoredDatabase, type DatabaseDescription, type OpenTransaction } from './stored-database.ts';
import type { CommittedMark } from './commit.ts';
import type { Decision } from './commit-journal.ts';
import type { Disk } from './durable-file.ts';
import type { HostPaths } from './host-paths.ts';
import type { LockResource } from './lock-resource.ts';

const noLog = DatabaseLog.volatile(0n);

/** Loads one database as far as its own files tell. Unreadable files leave it RECOVERY_PENDING, damaged ones SUSPECT; the rest of the instance starts. */
export async function loadDatabase(
  disk: Disk,
  description: DatabaseDescription,
  hostPath: HostPaths,
  lock?: LockResource,
): Promise<StoredDatabase> {
  const database = new StoredDatabase(description, noLog, 0n, lock);
  // An interrupted restore has no usable files; only a new data restore can follow.
  if (description.interrupted || description.state === 'OFFLINE') return database;
  try {
    const dataPath = fileOf(description, 'D', hostPath);
    const logPath = fileOf(description, 'L', hostPath);
    const { lsn, needsLsn } = await loadDataFile(dataPath, database);
    // After a recovery here the chain begins where the restore ended, which may lie behind everything the file holds.
    const log = await DatabaseLog.open(disk, logPath, later(lsn, description.lastLogBackupLsn));
    database.log = log;
    database.checkpointLsn = lsn;
    database.redoNeedsLsn = needsLsn;
    const { redoStart } = description;
    // What a restore wrote beyond its last completed step was never declared applied.
    if (redoStart !== undefined) await log.discardFrom(redoStart.lsn);
    for (const record of log.records(0n, log.nextLsn)) redo(database, record, lsn);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    database.failure = { state: missing ? 'RECOVERY_PENDING' : 'SUSPECT', cause };
  }
  return database;
}

export function fileOf(
  description: Pick<DatabaseDescription, 'files' | 'name'>,
  type: 'D' | 'L',
  hostPath: HostPaths,
): string {
  const file = description.files.find(each => each.type === type);
  const path = file === undefined ? undefined : hostPath(file.physicalName);
  if (path === undefined) {
    throw Object.assign(new Error(`no folder of this machine is mapped for a file of ${description.name}`), {
      code: 'ENOENT',
    });
  }
  return path;
}

/** Ends the open transactions of the databases that are not being restored, but for those in doubt. Returns the marks whose history rows may be missing. */
export async function settleTransactions(
  databases: readonly StoredDatabase[],
  decisions: ReadonlyMap<string, Decision>,
  timeMs: number,
  /** Of those prepared for another instance: whether that one decides. */
  inDoubt: (open: OpenTransaction) => boolean,
): Promise<readonly CommittedMark[]> {
  const started = databases.filter(database => database.recovered);
  for (const decision of decisions.values()) {
    for (const database of started) commitPrepared(database, decision);
  }
  for (const database of started) {
    undoOpen(database, timeMs, inDoubt);
    await database.log.flush();
  }
  return started.flatMap(database => marksOf(database, decisions));
}

function commitPrepared(database: StoredDatabase, decision: Decision): void {
  for (const [transaction, open] of database.open) {
    if (open.decision !== decision.id) continue;
    database.log.append({
      kind: 'commit',
      transaction,
      timeMs: decision.timeMs,
      decision: decision.id,
      ...(decision.mark === undefined ? {} : { mark: decision.mark }),
    });
    database.open.delete(transaction);
  }
}

/** Marks of journalled decisions found in a log: their msdb rows are written after the decision and may have been lost. */
function marksOf(database: StoredDatabase, decisions: ReadonlyMap<string, Decision>): readonly CommittedMark[] {
  if (database.recoveryModel === 'SIMPLE' || decisions.size === 0) return [];
  const marks: CommittedMark[] = [];
  for (const { lsn, entry } of database.log.records(0n, database.log.nextLsn)) {
    if (entry.kind !== 'commit' || entry.mark === undefined || entry.decision === undefined) continue;
    if (decisions.get(entry.decision)?.marked?.includes(database.databaseGuid) === true)
      marks.push({ database, mark: entry.mark, lsn, timeMs: entry.timeMs });
  }
  return marks;
}
