/** BACKUP DATABASE: a full or a differential set (sqlserver.md §1.2, §2.6). */
import { truncateLog } from '../engine/checkpoint.ts';
import { payloadOf } from '../engine/frames.ts';
import { earlier } from '../engine/lsn.ts';
import { captureSnapshot, snapshotFrames, type Snapshot } from '../engine/snapshot.ts';
import { fail } from '../messages.ts';
import { baseOf, beginHeader, type BackupKind, type BackupSetHeader } from './backup-set.ts';
import { write, writeLog, writePadding, type Run } from './backup-content.ts';
import { finishSet, report, shared } from './backup-run.ts';
import { openTarget, type Target } from './backup-target.ts';
import { recordSuspectPage } from './history.ts';
import { takeBackupTime } from './pace.ts';
import { Progress } from './progress.ts';
import type { PaddingPart } from './padding.ts';
import type { DatabaseDescription, StoredDatabase } from '../engine/stored-database.ts';
import type { Lsn } from '../contract.ts';

export function backupData(run: Run): Promise<void> {
  return shared(run, () => takeSet(run));
}

/**
 * The rows as they stand when the backup starts, then the log from the oldest transaction open at that moment to the end of the backup: the set
 * is consistent as of its end, and a later roll forward can still undo what was open.
 */
async function takeSet(run: Run): Promise<void> {
  const { instance, database, statement } = run;
  if (database.dataBackupRunning || instance.faults.databases.isBackedUpByOthers(database.name)) throw fail(3023);
  const kind: BackupKind = statement.options.differential === true ? 'differential' : 'full';
  database.dataBackupRunning = true;
  let firstLsn: Lsn | undefined;
  let target: Target | undefined;
  try {
    target = await openTarget(instance, statement);
    const started = instance.clock().getTime();
    const checkpointLsn = database.log.append({ kind: 'checkpoint', timeMs: started });
    database.lastCheckpointRecordLsn = checkpointLsn;
    const snapshot = captureSnapshot(database, kind === 'full' ? undefined : database.differentialBase?.lsn);
    firstLsn = earlier(checkpointLsn, snapshot.needsLsn) ?? checkpointLsn;
    database.backupsFrom.add(firstLsn);
    const padding = dataPadding(snapshot, kind === 'full' ? undefined : database.differentialBase?.lsn);
    const header = {
      ...beginHeader(instance, run.session, database, statement, {
        kind,
        position: target.position,
        compressed: target.compressed,
        firstLsn,
      }),
      ...padding,
    };
    // What is backed up must not vanish in a crash of its source.
    await database.log.flush();
    await target.writer.begin(header);
    const progress = new Progress(run.session, run.sink, statement.options.stats, run.instance.faults.wire);
    await takeBackupTime(instance, run.session, database.name, progress);
    if (header.hasBackupChecksums) await verifyPages(run);
    const chunks = [...snapshotFrames(snapshot)].map(payloadOf);
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, padding.padding?.bytes ?? 0);
    let dataBytes = 0;
    for (const chunk of chunks) {
      await write(run, target, 'D', chunk, { done: dataBytes, total });
      dataBytes += chunk.length;
      await progress.reached(dataBytes, total);
    }
    dataBytes += await writePadding(run, target, header, { done: dataBytes, total }, progress);
    const lastLsn = database.log.nextLsn;
    const sliceEndMs = instance.clock().getTime();
    const logBytes = await writeLog(run, target, database.log.slice(firstLsn, lastLsn));
    await database.log.flush();
    const ended = await finishSet(run, target, header, { lastLsn, sliceEndMs, dataBytes, logBytes });
    applyDataBackup(database, ended);
    await progress.finish();
    await report(run, target, ended);
  } finally {
    database.dataBackupRunning = false;
    if (firstLsn !== undefined) database.backupsFrom.delete(firstLsn);
    await target?.close();
  }
  await truncateLog(database);
}

/** @throws SqlError 3043, with its row in msdb, at the page that a fault has damaged (sqlserver.md §1.1, §1.4). */
async function verifyPages({ instance, database }: Run): Promise<void> {
  const page = instance.faults.databases.damagedPage(database.name);
  const file = database.files.find(({ type }) => type === 'D');
  if (page === undefined || file === undefined) return;
  await recordSuspectPage(instance, { database: database.id, file: file.fileId, page });
  throw fail(3043, database.name, file.fileId, page, file.physicalName);
}

/** A differential has what came since its base. */
function dataPadding({ padding }: Snapshot, since: Lsn | undefined): { readonly padding?: PaddingPart } {
  if (padding === undefined || padding.bytes === 0 || (since !== undefined && padding.changedLsn < since)) return {};
  return { padding: { seed: padding.seed, bytes: padding.bytes } };
}

/** The first log of a new chain lies on one path alone (sqlserver.md §2.7). */
function chainFrom(first: Lsn, { recoveryForkGuid }: StoredDatabase): Partial<DatabaseDescription> {
  return {
    lastLogBackupLsn: first,
    chainBegins: true,
    firstRecoveryForkGuid: recoveryForkGuid,
    forkPointLsn: undefined,
  };
}

/** sqlserver.md §1.2, last point: a copy-only full leaves no trace in the chain. */
function applyDataBackup(database: StoredDatabase, header: BackupSetHeader): void {
  if (header.isCopyOnly) return;
  // A differential starts a broken chain again, too (sqlserver.md §1.2).
  const startsChain = database.recoveryModel !== 'SIMPLE' && database.lastLogBackupLsn === undefined;
  database.change({
    ...(header.kind === 'full' ? { differentialBase: baseOf(header) } : {}),
    ...(startsChain ? chainFrom(BigInt(header.firstLsn), database) : {}),
  });
}
