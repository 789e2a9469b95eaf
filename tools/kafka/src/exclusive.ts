import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';

const retryMs = 50;
const busy = 5;

/**
 * Runs `work` while no other process runs work under the same file. The lock is an exclusive transaction, as in design.md §3: the operating
 * system frees it with the process, so that nothing stale is left by a kill -9.
 */
export async function exclusively<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  await mkdir(dirname(file), { recursive: true });
  let db = locked(file);
  while (db === undefined) {
    await pause(retryMs);
    db = locked(file);
  }
  try {
    return await work();
  } finally {
    db.close();
  }
}

function locked(file: string): DatabaseSync | undefined {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('begin exclusive');
    return db;
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode === busy) return undefined;
    throw error;
  }
}
