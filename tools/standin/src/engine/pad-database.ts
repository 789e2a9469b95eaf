/** Gives a database a size that its rows do not have: its files and backups are as large, without that anything of it is kept (recovery/padding.ts). */
import { assertAccessible, assertWritable } from './access.ts';
import { grow } from './file-growth.ts';
import { fail, unsupported } from '../messages.ts';
import type { Instance } from './instance.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Database, Session } from '../contract.ts';

/** MaxSize of a file without a limit (sqlserver.md §2.1). */
const largest = { bytes: 35_184_372_080_640n, logBytes: 2_199_023_255_552n } as const;

export type PaddingSizes = { readonly bytes: bigint; readonly logBytes: bigint };

/** It replaces what there was. Logged, so that it is part of what log backups bring. 1105 or 9002 when the disk has no room for the files. */
export async function padDatabase(
  instance: Instance,
  session: Session,
  given: Database,
  { bytes, logBytes }: PaddingSizes,
): Promise<void> {
  const database = instance.stored(given);
  if (session.nesting > 0) throw unsupported('sp_standin_pad_database in a transaction');
  if (database.system) throw unsupported(`a padding of ${database.name}, a system database`);
  for (const [value, limit] of [
    [bytes, largest.bytes],
    [logBytes, largest.logBytes],
  ] as const)
    if (value < 0n || value > limit) throw unsupported(`a padding of ${value} bytes (0 to ${limit})`);
  const owner = instance.ownerOf(session);
  const held = database.lock.granted.has(owner);
  if (!held) await database.lock.acquire(owner, 'S', session.options.lockTimeoutMs);
  try {
    assertAccessible(database, session);
    assertWritable(database);
    // It changes the files (sqlserver.md §1.4).
    if (database.dataBackupRunning) throw fail(3023);
    await pad(instance, database, { bytes: Number(bytes), logBytes: Number(logBytes) });
  } finally {
    if (!held) database.lock.release(owner);
  }
}

async function pad(
  instance: Instance,
  database: StoredDatabase,
  sizes: { readonly bytes: number; readonly logBytes: number },
): Promise<void> {
  for (const file of database.files) {
    const used = file.type === 'D' ? database.dataBytes + sizes.bytes : database.log.bytes + sizes.logBytes;
    if (grow(instance, database, file, used)) continue;
    throw file.type === 'D'
      ? fail(1105, '', database.name, 'PRIMARY')
      : fail(9002, database.name, 'ACTIVE_TRANSACTION');
  }
  const padding = { seed: instance.newGuid(), ...sizes };
  const changedLsn = database.log.append({ kind: 'padding', timeMs: instance.clock().getTime(), padding });
  database.padding = { ...padding, changedLsn };
  await database.log.flush();
  await instance.save();
}
