import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { joinPath } from '@holdfast/domain/windows-path';
import { type SqlServer, SqlServerError, statements } from '@holdfast/sqlserver';
import { observeDatabases, observeFile, observeServer } from '@holdfast/sqlserver/observe';
import { isLost, type StandbyConnections, whyNotAsked } from '../estate/connection-runner.ts';
import type { PlannedInstance } from './creation.ts';
import type { FolderSeen, TargetObservation, VolumesSeen } from './finding.ts';
import type { TransferFolder } from './standby.ts';

/** A share whose server is gone keeps whoever asks waiting for long. */
const folderLimitMs = 15_000;

/** Looks once at an instance that is to become a standby and at its folders; leaves nothing behind in either. */
export async function lookAtTarget(
  connections: StandbyConnections,
  { instanceId, folders }: Pick<PlannedInstance, 'instanceId' | 'folders'>,
): Promise<TargetObservation> {
  try {
    const { server, majorVersion } = await connections.to(instanceId);
    const { productVersion, inDoubtResolution, isSysadmin, isDbcreator } = await observeServer(server);
    const { databases } = await observeDatabases(server);
    const volumes = await lookAtVolumes(server);
    const seen: FolderSeen[] = [];
    for (const folder of folders)
      seen.push(await lookAtFolder(folder, path => isThere(server, { path, majorVersion })));
    return {
      reachable: true,
      productVersion,
      databases: databases.map(({ name, state }) => ({ name, state })),
      inDoubtResolution,
      mayCreateDatabases: isSysadmin === true ? true : isDbcreator,
      volumes,
      folders: seen,
    };
  } catch (error) {
    const cause = whyNotAsked(error);
    if (cause === undefined) throw error;
    if (isLost(error)) await connections.lost(instanceId);
    return { reachable: false, cause };
  }
}

async function isThere(server: SqlServer, at: { readonly path: string; readonly majorVersion: number }) {
  return (await observeFile(server, at)).exists;
}

async function lookAtVolumes(server: SqlServer): Promise<VolumesSeen> {
  try {
    const rows = await server.query(statements.freeSpace, {});
    return { known: true, availableBytes: rows.map(({ availableBytes }) => availableBytes) };
  } catch (error) {
    // Nothing else depends on it: what is not known is said.
    if (!(error instanceof SqlServerError) || isLost(error)) throw error;
    return { known: false, denied: error.errorClass === 'permission', cause: error.message };
  }
}

/** Whether Holdfast reads and writes there, and the instance sees what was written (sqlserver.md §7.2: only the instance can tell). */
export async function lookAtFolder(
  { read, write, standby }: Pick<TransferFolder, 'read' | 'write' | 'standby'>,
  isSeen: (path: string) => Promise<boolean>,
): Promise<FolderSeen> {
  const readError = await failureOf(() => readdir(read));
  const name = `holdfast-${randomUUID()}.probe`;
  const probe = join(write, name);
  let made: string | undefined;
  let seenByInstance: boolean | null = null;
  let freeBytes: string | null = null;
  const writeError = await failureOf(async () => {
    made = await mkdir(write, { recursive: true });
    await writeFile(probe, '', { flag: 'wx' });
  });
  try {
    if (writeError === null) {
      seenByInstance = await isSeen(joinPath(standby, name));
      const { bavail, bsize } = await statfs(write, { bigint: true });
      freeBytes = String(bavail * bsize);
    }
  } finally {
    if (writeError === null) await rm(probe, { force: true });
    if (made !== undefined) await removeMade(write, made);
  }
  return { readError, writeError, seenByInstance, freeBytes };
}

/** From `folder` up to the first one that was not there before. */
async function removeMade(folder: string, first: string): Promise<void> {
  for (let at = folder; ; at = dirname(at)) {
    await rmdir(at);
    if (at === first || at === dirname(at)) return;
  }
}

/** What the system says about it, also when it does not answer in time; null when it did. */
async function failureOf(work: () => Promise<unknown>): Promise<string | null> {
  const limit = Promise.withResolvers<string>();
  const timer = setTimeout(() => limit.resolve(`no answer within ${String(folderLimitMs)} ms`), folderLimitMs);
  try {
    return await Promise.race([
      work().then(
        () => null,
        (error: unknown) => {
          if (Error.isError(error) && 'syscall' in error) return error.message;
          throw error;
        },
      ),
      limit.promise,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
