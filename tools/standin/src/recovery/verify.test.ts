/** What VERIFYONLY looks at, and what NO_CHECKSUM lets pass (sqlserver.md §1.1, §2.1, §2.2). */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeTable, put } from '../engine/engine-fixture.ts';
import { faultsWith, type FaultSwitches } from '../faults/fault-switches.ts';
import { startSql, type SqlFixture } from '../sql/sql-fixture.ts';

const mb = 1_048_576;
const device = "DISK = '\\\\share\\bts\\a.bak'";
let faults: FaultSwitches;
let sql: SqlFixture;

beforeEach(async () => {
  faults = faultsWith();
  sql = await startSql({ faults });
  const engine = sql.engine.engine();
  const database = await engine.createDatabase(sql.session, 'A', undefined);
  const table = await makeTable(engine, sql.session, database);
  for (let id = 1; id <= 50; id += 1) await put(engine, sql.session, table, id, `row ${id}`);
});
afterEach(() => sql.end());

/** A bit of the file flips where `place` says. */
async function flip(place: (bytes: Buffer) => number): Promise<void> {
  const path = join(sql.engine.folder, 'share', 'a.bak');
  const bytes = await readFile(path);
  const at = place(bytes);
  bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  await writeFile(path, bytes);
}

const hasChecksums = async (): Promise<unknown> =>
  (await sql.rows('SELECT has_backup_checksums FROM msdb.dbo.backupset ORDER BY backup_set_id')).flat();
const restore = (option: string): Promise<number[]> =>
  sql.errors(`RESTORE DATABASE A FROM ${device} WITH REPLACE, NORECOVERY${option}`);

describe('NO_CHECKSUM', () => {
  it('makes a backup without them where the server wants them by default', async () => {
    const { serverOptions } = sql.engine.engine();
    await serverOptions.configure('backup checksum default', 1);
    serverOptions.reconfigure();
    await sql.rows(`BACKUP DATABASE A TO ${device}; BACKUP DATABASE A TO ${device} WITH NO_CHECKSUM`);
    expect(await hasChecksums()).toEqual([true, false]);
  });

  it('does not look at those that a set has', async () => {
    await sql.rows(`BACKUP DATABASE A TO ${device} WITH CHECKSUM`);
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device} WITH NO_CHECKSUM`)).toEqual([]);
    await flip(bytes => Math.floor(bytes.length / 2));
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device}`)).toEqual([3183, 3013]);
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device} WITH NO_CHECKSUM`)).toEqual([]);
    expect(await restore('')).toEqual([3183, 3013]);
    // The stand-in's own format notices the damage all the same, as it does where there are no checksums.
    expect(await restore(', NO_CHECKSUM')).toEqual([3203, 3013]);
  });

  it('leaves the history of the set what it was', async () => {
    await sql.rows(`BACKUP DATABASE A TO ${device} WITH CHECKSUM`);
    // What msdb does not know is written into it by the RESTORE.
    await sql.rows('DELETE msdb.dbo.backupset');
    expect(await restore(', NO_CHECKSUM')).toEqual([]);
    expect(await hasChecksums()).toEqual([true]);
  });
});

describe('VERIFYONLY', () => {
  it('is 3257 where the RESTORE of the same file would be, and not for a database that is there', async () => {
    await sql.rows(`BACKUP DATABASE A TO ${device}`);
    faults.set({ name: 'disk-quota', parameters: { bytes: 20 * mb } });
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device}`)).toEqual([]);
    await sql.rows('DROP DATABASE A');
    faults.set({ name: 'disk-quota', parameters: { bytes: 10 * mb } });
    expect(await restore('')).toEqual([3257, 3013]);
    const { errors } = await sql.run(`RESTORE VERIFYONLY FROM ${device}`);
    expect(errors.map(each => each.text)).toEqual([
      expect.stringContaining('The database requires 16777216 additional free bytes'),
      'VERIFY DATABASE is terminating abnormally.',
    ]);
    faults.clear('disk-quota');
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device}`)).toEqual([]);
  });

  it('of a log asks for no room', async () => {
    await sql.rows(`BACKUP DATABASE A TO DISK = 'NUL'; BACKUP LOG A TO ${device}; DROP DATABASE A`);
    faults.set({ name: 'disk-quota', parameters: { bytes: 10 * mb } });
    expect(await sql.errors(`RESTORE VERIFYONLY FROM ${device}`)).toEqual([]);
  });
});

describe('a set whose header is damaged', () => {
  it('is 3242', async () => {
    await sql.rows(`BACKUP DATABASE A TO ${device} WITH NAME = 'found again'`);
    await flip(bytes => bytes.indexOf('found again'));
    expect(await sql.errors(`RESTORE HEADERONLY FROM ${device}`)).toEqual([3242, 3013]);
    expect(await restore('')).toEqual([3242, 3013]);
  });
});
