/** RESTORE HEADERONLY, FILELISTONLY, LABELONLY and VERIFYONLY (sqlserver.md §2.1). */
import { defaultPaths, type Instance } from '../engine/instance.ts';
import { fail, failTerminating, message, SqlError, unsupported } from '../messages.ts';
import { mayCreateDatabases } from '../rights.ts';
import { fileListColumns, fileListRow, headerColumns, headerRow, labelColumns, labelRow } from './information-rows.ts';
import { chooseSet, devicePath, readChunks, readMedia, type Media } from './media.ts';
import { Progress } from './progress.ts';
import { assertReadable } from './restore-source.ts';
import { assertSpace } from './restore-files.ts';
import type { BackupSetHeader } from './backup-set.ts';
import type { ResultColumn, ResultSink, RestoreInformationStatement, Row, Session } from '../contract.ts';

/** What 3013 calls each statement. */
const verbs = {
  headeronly: 'RESTORE HEADERONLY',
  filelistonly: 'RESTORE FILELIST',
  labelonly: 'RESTORE LABELONLY',
  verifyonly: 'VERIFY DATABASE',
} as const;
/** As sys.dm_exec_requests cuts them (sqlserver.md §4.2). */
const commands = {
  headeronly: 'RESTORE HEADERON',
  filelistonly: 'RESTORE FILELIST',
  labelonly: 'RESTORE LABELONLY',
  verifyonly: 'RESTORE VERIFYON',
} as const;
/** CurCmd of the rows, in front of the statement's own DONE (sqlserver.md §1.5). */
const rowsCommand = 230;

export async function restoreInformation(
  instance: Instance,
  session: Session,
  statement: RestoreInformationStatement,
  sink: ResultSink,
): Promise<void> {
  if (session.request !== undefined) session.request.command = commands[statement.kind];
  try {
    if (!mayCreateDatabases(session)) throw fail(262, 'CREATE DATABASE', 'master');
    const [device] = statement.devices;
    if (device === undefined || statement.devices.length > 1)
      throw unsupported('RESTORE information from several devices');
    if (device.type === 'url') throw unsupported('RESTORE FROM URL');
    const host = devicePath(instance, device.path, 2, defaultPaths.backup);
    const media = await readMedia(host, device.path);
    if (statement.kind === 'filelistonly' || statement.kind === 'verifyonly')
      assertReadable(instance, device.path, chooseSet(media, statement.options.file).header);
    if (statement.kind === 'verifyonly') await verify(instance, session, statement, sink, host, media);
    else send(sink, ...rowsOf(instance, statement, media));
    await sink.flush();
  } catch (failure) {
    throw failure instanceof SqlError ? failTerminating(verbs[statement.kind], failure) : failure;
  }
}

function rowsOf(
  instance: Instance,
  statement: RestoreInformationStatement,
  media: Media,
): readonly [columns: readonly ResultColumn[], rows: readonly Row[]] {
  const { file } = statement.options;
  if (statement.kind === 'labelonly') return [labelColumns, [labelRow(media)]];
  if (statement.kind === 'filelistonly') return [fileListColumns, fileListRow(chooseSet(media, file).header)];
  const columns = headerColumns(instance.options.majorVersion);
  const sets =
    file === undefined ? media.sets.map((_, index) => chooseSet(media, index + 1)) : [chooseSet(media, file)];
  if (sets.length === 0) throw fail(3256, media.path);
  return [columns, sets.map(set => headerRow(set.header).slice(0, columns.length))];
}

function send(sink: ResultSink, columns: readonly ResultColumn[], rows: readonly Row[]): void {
  sink.columns(columns);
  for (const row of rows) sink.row(row);
  sink.done({ command: rowsCommand, rowCount: BigInt(rows.length) });
}

/** 3257 where a RESTORE under its own name, to where it was, would be (sqlserver.md §2.1). */
async function assertRoom(instance: Instance, { kind, databaseName, files }: BackupSetHeader): Promise<void> {
  // Others need room for what they add, which their RESTORE finds out.
  if (kind !== 'full') return;
  const wanted = files.map(({ backupBytes: _, ...file }) => ({ ...file, sizeBytes: BigInt(file.sizeBytes) }));
  await assertSpace(instance, instance.find(databaseName), wanted);
}

/** Complete and readable; content is checked only against checksums the set carries (sqlserver.md §2.1: not a substitute for a restore). */
async function verify(
  instance: Instance,
  session: Session,
  statement: RestoreInformationStatement,
  sink: ResultSink,
  host: string,
  media: Media,
): Promise<void> {
  const set = chooseSet(media, statement.options.file);
  const { hasBackupChecksums, backupSize } = set.header;
  if (statement.options.checksum === true && !hasBackupChecksums) throw fail(3187);
  await assertRoom(instance, set.header);
  const progress = new Progress(session, sink, statement.options.stats, instance.faults.wire);
  if (hasBackupChecksums && statement.options.checksum !== false) {
    let done = 0;
    for await (const { bytes } of readChunks(host, media, set, instance.faults.media)) {
      done += bytes.length;
      await progress.reached(done, backupSize);
    }
  }
  await progress.finish();
  sink.info(message(3262, set.header.position));
}
