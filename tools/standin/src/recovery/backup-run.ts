/** What every BACKUP does around its set: whether and how it holds its database, the end of the set, and what is told of it. */
import { assertAccessible } from '../engine/access.ts';
import { message, unsupported } from '../messages.ts';
import { endHeader, pagesOf, statementNames, type BackupSetHeader } from './backup-set.ts';
import { writeErrorOf, type Run } from './backup-content.ts';
import { recordBackupSet } from './history.ts';
import { throughput } from './progress.ts';
import type { Target } from './backup-target.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { BackupOptions, Lsn, Session } from '../contract.ts';

/** The last backup before the database goes RESTORING. */
export function isTail(options: BackupOptions): boolean {
  return options.noRecovery === true || options.standby !== undefined;
}

/** NO_TRUNCATE takes the log of a database whose data files are lost (sqlserver.md §1.1, §9.2). */
export function assertReady(database: StoredDatabase, session: Session, options: BackupOptions): void {
  const { failure, description } = database;
  const damaged = failure !== undefined || description.state === 'SUSPECT';
  if (options.noTruncate !== true || !damaged) {
    assertAccessible(database, session);
    return;
  }
  // What it leaves behind, or what becomes of one that was being restored, no document says.
  if (options.standby !== undefined) throw unsupported('BACKUP … NO_TRUNCATE, STANDBY of a damaged database');
  if (description.state !== 'ONLINE') throw unsupported('BACKUP … NO_TRUNCATE of a damaged database being restored');
}

/** Who backs a database up is in it: it can be neither dropped nor restored over, and taking it offline ends the backup (inferred). */
export async function shared(run: Run, work: () => Promise<void>): Promise<void> {
  const { instance, session, database, statement } = run;
  const owner = instance.ownerOf(session);
  const held = database.lock.granted.has(owner);
  if (!held) await database.lock.acquire(owner, 'S', session.options.lockTimeoutMs);
  try {
    // The wait may have been for its end.
    assertReady(database, session, statement.options);
    await work();
  } finally {
    if (!held) database.lock.release(owner);
  }
}

export async function finishSet(
  run: Run,
  target: Target,
  header: BackupSetHeader,
  part: { readonly lastLsn: Lsn; readonly sliceEndMs: number; readonly dataBytes: number; readonly logBytes: number },
): Promise<BackupSetHeader> {
  const failing = writeErrorOf(run, target, 100);
  if (failing !== undefined) throw failing.failure;
  const finishMs = run.instance.clock().getTime();
  const ended = endHeader(header, run.database, { ...part, finishMs, compressedSize: target.writer.written });
  await target.writer.end(ended);
  return ended;
}

/** Makes the new place in the chain durable, writes history, and says what was done (sqlserver.md §1.3). */
export async function report(run: Run, target: Target, header: BackupSetHeader): Promise<void> {
  const { instance, sink } = run;
  await instance.save();
  const history = instance.faults.databases.historyOf(run.database.name, 'backup');
  if (history === 'written') await recordBackupSet(instance, header, target.media, target.device);
  run.unwritten = history === 'fails';
  const shown = header.files.filter(file => header.kind !== 'log' || file.type === 'L');
  for (const file of shown) {
    sink.info(message(4035, pagesOf(file.backupBytes), header.databaseName, file.logicalName, header.position));
  }
  if (header.kind === 'log' && header.isReadOnly && !header.isCopyOnly) sink.info(message(4217));
  const pages = shown.reduce((sum, file) => sum + pagesOf(file.backupBytes), 0);
  const { seconds, rate } = throughput(header.backupSize, header.finishMs - header.startMs);
  sink.info(message(3014, statementNames[header.kind], pages, seconds, rate));
  await sink.flush();
}
