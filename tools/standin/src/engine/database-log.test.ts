import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseLog } from './database-log.ts';
import { Disk } from './durable-file.ts';
import { firstLsn } from './lsn.ts';
import type { Lsn } from '../contract.ts';

let folder: string;
let log: DatabaseLog;
const disk = new Disk();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'standin-log-'));
  log = await DatabaseLog.create(disk, join(folder, 'a.ldf'), firstLsn);
});
afterEach(async () => {
  await log.close();
  await rm(folder, { recursive: true });
});

function append(count: number): void {
  for (let at = 0; at < count; at += 1) {
    const row = ['x'.repeat(3000)];
    log.append({ kind: 'change', transaction: 7n, change: { kind: 'insert', table: 1, id: at, row } });
  }
}

/** Where a start after a crash would go on. */
async function nextLsnAfterCrash(checkpointLsn: Lsn): Promise<Lsn> {
  const again = await DatabaseLog.open(disk, join(folder, 'a.ldf'), checkpointLsn);
  const { nextLsn } = again;
  await again.close();
  return nextLsn;
}

// A backup names the next LSN as its end: a record that got a lower one after a crash would be in no backup.
describe('after a crash the log goes on where it stood', () => {
  it('behind a block of many records', async () => {
    append(5);
    await log.flush();
    expect(await nextLsnAfterCrash(firstLsn)).toBe(log.nextLsn);
  });

  it('when everything before was truncated and the file written anew', async () => {
    append(100);
    const insideBlock = log.nextLsn;
    await log.flush();
    await log.truncateBefore(log.nextLsn);
    append(3);
    await log.flush();
    await log.truncateBefore(log.nextLsn);
    expect(log.nextLsn).toBeGreaterThan(insideBlock);
    expect(await nextLsnAfterCrash(insideBlock)).toBe(log.nextLsn);
  });

  it('when the checkpoint fell into the middle of the newest block', async () => {
    append(3);
    const checkpoint = log.nextLsn;
    append(2);
    await log.flush();
    await log.truncateBefore(checkpoint);
    expect(await nextLsnAfterCrash(checkpoint)).toBe(log.nextLsn);
  });

  it('not behind records that a crash cut off', async () => {
    append(2);
    await log.flush();
    const { nextLsn } = log;
    append(2);
    expect(await nextLsnAfterCrash(firstLsn)).toBe(nextLsn);
  });
});
