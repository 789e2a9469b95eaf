/** Where the files of a restored database go, and what stands in their way (sqlserver.md §2.2, §2.4). */
import { access, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { folderExists } from '../engine/new-database.ts';
import { compareText } from '../engine/compare.ts';
import { fail, message, SqlError } from '../messages.ts';
import { operatingSystemError } from './operating-system-errors.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { DatabaseFile, Message } from '../contract.ts';
import type { RestoreRun } from './restore.ts';

export async function planFiles(
  run: RestoreRun,
  existing: StoredDatabase | undefined,
): Promise<readonly DatabaseFile[]> {
  const { source, statement } = run;
  const moves = statement.options.move ?? [];
  for (const move of moves) {
    const known = source.header.files.some(file => compareText(file.logicalName, move.logicalName) === 0);
    if (!known) throw fail(3234, move.logicalName, statement.database);
  }
  const files = source.header.files.map(({ backupBytes: _backupBytes, ...file }) => ({
    ...file,
    sizeBytes: BigInt(file.sizeBytes),
    physicalName:
      moves.find(move => compareText(move.logicalName, file.logicalName) === 0)?.physicalName ?? file.physicalName,
  }));
  assertDistinct(files);
  const problems: Message[] = [];
  for (const file of files) problems.push(...(await problemsOf(run, existing, file)));
  assertNone(problems);
  await assertSpace(run.instance, existing, files);
  return files;
}

/** Says so of files that another statement has taken since they were planned. */
export function assertUnclaimed(run: RestoreRun, files: readonly DatabaseFile[]): void {
  assertNone(files.flatMap(file => claimOn(run, file)));
}

/** Who has the file, other than what is restored; its name counts in whatever case it is written. */
function claimOn({ instance, statement }: RestoreRun, { logicalName, physicalName }: DatabaseFile): readonly Message[] {
  const owner = instance.ownerOfFile(physicalName, statement.database);
  return owner === undefined ? [] : [message(1834, physicalName, owner), message(3156, logicalName, physicalName)];
}

function assertNone(problems: readonly Message[]): void {
  if (problems.length > 0) throw new SqlError([...problems, message(3119)], 'statement');
}

function assertDistinct(files: readonly DatabaseFile[]): void {
  for (const file of files) {
    const twin = files.find(
      other => other.fileId > file.fileId && compareText(other.physicalName, file.physicalName) === 0,
    );
    if (twin !== undefined)
      throw fail(3176, file.physicalName, twin.logicalName, twin.fileId, file.logicalName, file.fileId);
  }
}

async function problemsOf(
  run: RestoreRun,
  existing: StoredDatabase | undefined,
  file: DatabaseFile,
): Promise<readonly Message[]> {
  const { instance, statement } = run;
  const misplaced = message(3156, file.logicalName, file.physicalName);
  if (!(await folderExists(instance, file.physicalName))) {
    return [message(5133, file.physicalName, operatingSystemError(3)), misplaced];
  }
  const claimed = claimOn(run, file);
  if (claimed.length > 0) return claimed;
  const own = existing?.files.some(each => compareText(each.physicalName, file.physicalName) === 0) === true;
  if (own || statement.options.replace === true || !(await exists(instance.hostPath(file.physicalName)))) return [];
  return [message(3142, file.logicalName, file.physicalName), misplaced];
}

function exists(path: string | undefined): Promise<boolean> {
  if (path === undefined) return Promise.resolve(false);
  return access(path).then(
    () => true,
    () => false,
  );
}

/** 3257: the nominal sizes of the files must fit, not only their content. What a file that is restored over takes already is not needed again. */
export async function assertSpace(
  instance: Instance,
  existing: StoredDatabase | undefined,
  files: readonly DatabaseFile[],
): Promise<void> {
  const [first] = files;
  const host = first === undefined ? undefined : instance.hostPath(first.physicalName);
  if (first === undefined || host === undefined) return;
  // Where it would lie may be missing here: only a RESTORE complains of that (5133).
  const disk = await statfs(dirname(host), { bigint: true }).catch(() => undefined);
  if (disk === undefined) return;
  const available = instance.quota?.availableBytes() ?? disk.bavail * disk.bsize;
  const taken = (path: string): bigint =>
    existing?.files.find(each => compareText(each.physicalName, path) === 0)?.sizeBytes ?? 0n;
  const more = files.map(file => file.sizeBytes - taken(file.physicalName));
  const needed = more.reduce((sum, bytes) => (bytes > 0n ? sum + bytes : sum), 0n);
  if (available < needed) throw fail(3257, first.physicalName.slice(0, 3), needed, available);
}
