/** A backup of real length: copied, hashed, cut off by a full disk, restored at a pace, with no more memory than for a small one. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, it } from '@jest/globals';
import type mssql from 'mssql';
import { connect, control, StandInProcess, temporaryFolder } from '../time/process.ts';

const mb = 1_048_576;
const bytes = process.env['HOLDFAST_TESTS'] === 'long' ? 1024 * mb : 32 * mb;
const share = '\\\\share\\bts';
const restore = (file: string): string => `RESTORE DATABASE D FROM DISK = '${share}\\${file}' WITH REPLACE`;

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

type Failure = { readonly number: number; readonly precedingErrors?: readonly Failure[] };

/** Errors of a batch, the last one first. */
async function errors(pool: mssql.ConnectionPool, text: string): Promise<readonly number[]> {
  return pool
    .request()
    .batch(text)
    .then(
      () => [],
      (failure: unknown) => {
        const { number, precedingErrors = [] } = failure as Failure;
        return [number, ...precedingErrors.map(each => each.number)];
      },
    );
}

it(`backs up, copies, hashes and restores ${bytes / mb} MB`, async () => {
  await temporaryFolder(async folder => {
    const host = (file: string): string => join(folder, 'share', file);
    await mkdir(join(folder, 'share'));
    const instance = new StandInProcess([
      ...['--data', join(folder, 'data'), '--name', 'ONE', '--map', `${share}=${join(folder, 'share')}`, '--no-sync'],
    ]);
    const { port, controlPort } = await instance.line();
    const pool = await connect(port, 1_800_000);
    const fault = (name: string, parameters: object): ReturnType<typeof control> =>
      control(controlPort, '/faults', { name, parameters });
    const batch = (text: string): Promise<unknown> => pool.request().batch(text);

    await batch('CREATE DATABASE D');
    // What the first backup and restore need once is no part of the growth.
    await batch(`BACKUP DATABASE D TO DISK = '${share}\\first.bak'; ${restore('first.bak')}`);
    const before = instance.residentMb() ?? 0;

    await batch(`EXEC sp_standin_pad_database N'D', ${bytes}; BACKUP DATABASE D TO DISK = '${share}\\d.bak'`);
    expect((await stat(host('d.bak'))).size).toBeGreaterThan(bytes);
    await copyFile(host('d.bak'), host('copy.bak'));
    expect(await hashOf(host('copy.bak'))).toBe(await hashOf(host('d.bak')));
    await batch('DROP DATABASE D');
    await batch(restore('copy.bak'));
    const after = instance.peakMb();
    if (after !== undefined) expect(after - before).toBeLessThan(64);
    if (bytes > 100 * mb) console.log(`its memory grew by ${(after ?? 0) - before} MB`);
    const known = await pool.request().query<{ size: number }>("SELECT size FROM sys.master_files WHERE name = N'D'");
    expect((known.recordset[0]?.size ?? 0) * 8192).toBeGreaterThanOrEqual(bytes);

    await fault('disk-full', { percent: 50, times: 1 });
    expect(await errors(pool, `BACKUP DATABASE D TO DISK = '${share}\\half.bak' WITH COPY_ONLY`)).toEqual([3013, 3202]);
    const half = (await stat(host('half.bak'))).size;
    expect(Math.abs(half - bytes / 2)).toBeLessThan(mb);
    expect(await errors(pool, restore('half.bak'))).toEqual([3013, 3203]);

    await pacedRestore(pool, fault);
    await pool.close();
    expect(await instance.end('SIGTERM')).toBe(0);
  });
}, 1_800_000);

/** Slow enough that it would never end; its percentage moves all the same, and at another pace it ends at once. */
async function pacedRestore(
  pool: mssql.ConnectionPool,
  fault: (name: string, parameters: object) => Promise<unknown>,
): Promise<void> {
  await fault('restore-pace', { bytesPerSecond: bytes / 100, msPerStatement: 0 });
  const restoring = pool.request().batch(restore('d.bak'));
  for (let percent = 0; percent < 1;) {
    const { recordset } = await pool
      .request()
      .query<{ done: number }>(
        "SELECT percent_complete AS done FROM sys.dm_exec_requests WHERE command LIKE 'RESTORE%'",
      );
    percent = recordset[0]?.done ?? 0;
  }
  await fault('restore-pace', { bytesPerSecond: 1e12, msPerStatement: 0 });
  await restoring;
}
