/** The faults `disk-quota` and `availability-group`. */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { faultsWith, type FaultSwitches } from '../faults/fault-switches.ts';
import { startGroup, type Group, type Member } from '../linked/group-fixture.ts';

const mb = 1_048_576;
/** A new database: a data file and a log of 8 MB each. */
const oneDatabase = 16 * mb;

let group: Group;

// One each: the share that the members see is the folder of the whole group, and the quota counts all of it.
beforeEach(async () => {
  group = await startGroup();
});
afterEach(() => group.end());

const texts = async (member: Member, text: string): Promise<readonly string[]> =>
  (await member.run(text, member.session())).errors.map(each => `${each.number} ${each.text}`);
const quota = (bytes: number): FaultSwitches => faultsWith({ name: 'disk-quota', parameters: { bytes } });
const numbers = (member: Member, text: string): Promise<number[]> => member.errors(text, member.session());
const ofSize = (bytes: number): string => `REPLICATE(CONVERT(nvarchar(max), N'x'), ${bytes / 2})`;
const table = (database: string): string =>
  `CREATE TABLE ${database}.dbo.t (id int NOT NULL IDENTITY PRIMARY KEY, v nvarchar(max))`;
const insert = (database: string, bytes: number): string => `INSERT ${database}.dbo.t (v) VALUES (${ofSize(bytes)})`;
const folderOf = (member: Member): string => member.engine.hostPath('\\\\share\\bts') ?? '';

/** Rows of 1 MB until one is refused. */
async function fill(member: Member, database: string): Promise<readonly string[]> {
  for (let row = 0; row < 20; row += 1) {
    const errors = await texts(member, insert(database, mb));
    if (errors.length > 0) return errors;
  }
  return [];
}

describe('a full disk', () => {
  it('cuts a backup off with 112, leaves its part behind, and takes it once there is room', async () => {
    const member = await group.start('A', { faults: quota(oneDatabase + 5 * mb) });
    for (const text of ['CREATE DATABASE D', table('D'), insert('D', 2 * mb)]) await member.rows(text);
    const other = join(folderOf(member), 'other');
    await mkdir(other);
    await writeFile(join(other, 'other.bin'), new Uint8Array(4 * mb));
    const backup = "BACKUP DATABASE D TO DISK = '\\\\share\\bts\\d.bak'";
    expect(await texts(member, backup)).toEqual([
      '3202 Write on "\\\\share\\bts\\d.bak" failed: 112(There is not enough space on the disk.)',
      '3013 BACKUP DATABASE is terminating abnormally.',
    ]);
    expect((await stat(join(folderOf(member), 'd.bak'))).size).toBeLessThan(2 * mb);
    expect(await numbers(member, "RESTORE VERIFYONLY FROM DISK = '\\\\share\\bts\\d.bak'")).toContain(3013);
    expect(await member.rows('SELECT COUNT(*) AS n FROM msdb.dbo.backupset')).toEqual([[0]]);
    await rm(other, { recursive: true });
    expect(await texts(member, `${backup} WITH FORMAT`)).toEqual([]);
    expect(await texts(member, 'CREATE DATABASE E')).toEqual([
      expect.stringMatching(/^5149 .* 112\(There is not enough space on the disk\.\) .*E\.mdf/),
      expect.stringMatching(/^1802 /),
    ]);
    const [space] = await member.rows(
      'SELECT DISTINCT v.total_bytes, v.available_bytes FROM sys.master_files f CROSS APPLY sys.dm_os_volume_stats(f.database_id, f.file_id) v',
    );
    expect(space?.[0]).toBe(oneDatabase + 5 * mb);
    expect(Number(space?.[1])).toBeLessThan(3 * mb);
    await member.close();
  });

  it('fills a log that waits for its backup: 9002, until the log is backed up', async () => {
    const member = await group.start('B', { faults: quota(oneDatabase + 30 * mb) });
    for (const text of ['CREATE DATABASE D', table('D'), "BACKUP DATABASE D TO DISK = '\\\\share\\bts\\b.bak'"])
      await member.rows(text);
    expect(await fill(member, 'D')).toEqual(["9002 The transaction log for database 'D' is full due to 'LOG_BACKUP'."]);
    expect(await numbers(member, 'DELETE D.dbo.t')).toEqual([9002]);
    const [before] = await member.rows('SELECT COUNT(*) FROM D.dbo.t');
    await member.rows("BACKUP LOG D TO DISK = '\\\\share\\bts\\b.trn'");
    await member.rows('DELETE D.dbo.t WHERE id < 4');
    await member.rows(insert('D', 1000));
    expect(Number(before?.[0])).toBeGreaterThan(6);
    await member.close();
  });

  it('fills a data file whose log may be cut: 1105, until rows are gone', async () => {
    const member = await group.start('C', { faults: quota(oneDatabase + 30 * mb) });
    for (const text of ['CREATE DATABASE D', 'ALTER DATABASE D SET RECOVERY SIMPLE', table('D')])
      await member.rows(text);
    expect(await fill(member, 'D')).toEqual([
      expect.stringMatching(/^1105 Could not allocate space for object 'dbo\.t' in database 'D'/),
    ]);
    await member.rows('DELETE D.dbo.t');
    await member.rows(insert('D', mb));
    // No crash recovery and no end of the instance trips over it.
    await member.close();
    const again = await group.start('C');
    expect(await again.rows('SELECT COUNT(*) FROM D.dbo.t')).toEqual([[1]]);
    await again.close();
  });

  it('refuses a database to be restored with 3257 before anything is touched', async () => {
    const source = await group.start('SOURCE');
    for (const name of ['One', 'Two']) {
      await source.rows(`CREATE DATABASE ${name}`);
      await source.rows(`BACKUP DATABASE ${name} TO DISK = '\\\\share\\bts\\${name}.bak'`);
    }
    await source.close();
    const standby = await group.start('STANDBY', { faults: quota(oneDatabase + 12 * mb) });
    const restore = (name: string, rest = ''): string =>
      `RESTORE DATABASE ${name} FROM DISK = '\\\\share\\bts\\${name}.bak' WITH NORECOVERY${rest},
         MOVE '${name}' TO 'D:\\Data\\${name}.mdf', MOVE '${name}_log' TO 'D:\\Data\\${name}.ldf'`;
    expect(await texts(standby, restore('One'))).toEqual([]);
    expect(await texts(standby, restore('Two'))).toEqual([
      expect.stringMatching(
        /^3257 There is insufficient free space on disk volume 'D:\\' to create the database\. The database requires 16777216 additional free bytes, while only \d+ bytes are available\.$/,
      ),
      '3013 RESTORE DATABASE is terminating abnormally.',
    ]);
    expect(await standby.rows("SELECT name FROM sys.databases WHERE name = N'Two'")).toEqual([]);
    expect(await texts(standby, restore('One', ', REPLACE'))).toEqual([]);
    await standby.rows('DROP DATABASE One');
    expect(await texts(standby, restore('Two'))).toEqual([]);
    await standby.close();
  });

  it('refuses a log that would make the log file grow, and leaves the position where it was', async () => {
    const source = await group.start('LONG');
    for (const text of [
      'CREATE DATABASE Long',
      table('Long'),
      "BACKUP DATABASE Long TO DISK = '\\\\share\\bts\\long.bak'",
    ])
      await source.rows(text);
    for (let row = 0; row < 9; row += 1) await source.rows(insert('Long', mb));
    await source.rows("BACKUP LOG Long TO DISK = '\\\\share\\bts\\long.trn'");
    await source.close();
    const standby = await group.start('NARROW', { faults: quota(oneDatabase + 60 * mb) });
    await standby.rows(
      `RESTORE DATABASE Long FROM DISK = '\\\\share\\bts\\long.bak' WITH NORECOVERY,
         MOVE 'Long' TO 'D:\\Data\\l.mdf', MOVE 'Long_log' TO 'D:\\Data\\l.ldf'`,
    );
    const position = 'SELECT CONVERT(varchar(25), MIN(redo_start_lsn)) FROM sys.master_files';
    const before = await standby.rows(position);
    const restore = "RESTORE LOG Long FROM DISK = '\\\\share\\bts\\long.trn' WITH NORECOVERY";
    expect(await texts(standby, restore)).toEqual([
      '3202 Write on "D:\\Data\\l.ldf" failed: 112(There is not enough space on the disk.)',
      '3013 RESTORE LOG is terminating abnormally.',
    ]);
    expect(await standby.rows(position)).toEqual(before);
    await standby.close();
    const wider = await group.start('NARROW');
    expect(await texts(wider, restore)).toEqual([]);
    await wider.close();
  });
});

describe('a database in an availability group', () => {
  it('shows its replica, takes backups, and no RESTORE', async () => {
    const member = await group.start('AG', {
      faults: faultsWith({ name: 'availability-group', parameters: { database: 'orders' } }),
    });
    await member.rows('CREATE DATABASE Orders');
    const replicas = await member.rows(
      "SELECT name FROM sys.databases WHERE replica_id IS NOT NULL OR CONVERT(varchar(36), replica_id) LIKE '%-%'",
    );
    expect(replicas).toEqual([['Orders']]);
    await member.rows("BACKUP DATABASE Orders TO DISK = '\\\\share\\bts\\orders.bak'");
    const restore = "RESTORE DATABASE Orders FROM DISK = '\\\\share\\bts\\orders.bak' WITH REPLACE";
    expect(await numbers(member, restore)).toEqual([3104, 3013]);
    await member.close();
    const left = await group.start('AG');
    expect(await left.rows("SELECT replica_id FROM sys.databases WHERE name = N'Orders'")).toEqual([[null]]);
    expect(await numbers(left, restore)).toEqual([]);
    await left.close();
  });
});
