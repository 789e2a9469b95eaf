/** Databases that are larger than their rows: what tells their size, what comes back from their backups, and damage in them. */
import { copyFile, cp, open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FaultSwitches } from '../../src/faults/fault-switches.ts';
import { startGroup, type Group, type Member } from '../../src/linked/group-fixture.ts';

const mb = 1_048_576;
/** Not a whole number of blocks. */
const bytes = 8 * mb + 12_345;
const share = '\\\\share\\bts';

const faults = new FaultSwitches();
let group: Group;
let member: Member;

beforeAll(async () => {
  group = await startGroup();
  member = await group.start('A', { faults, hasty: true });
  await run(
    'CREATE DATABASE D; CREATE TABLE D.dbo.t (id int PRIMARY KEY)',
    `EXEC sp_standin_pad_database N'D', ${bytes}`,
    backup('DATABASE D', 'd'),
    `${backup('DATABASE D', 'checked')} WITH COPY_ONLY, CHECKSUM`,
  );
});
afterAll(() => group.end());

async function run(...texts: readonly string[]): Promise<void> {
  for (const text of texts) await member.rows(text);
}
const backup = (what: string, file: string): string => `BACKUP ${what} TO DISK = '${share}\\${file}.bak'`;
const from = (file: string): string => `FROM DISK = '${share}\\${file}.bak'`;
/** A full as a database of another name. */
const restoreAs = (name: string, file: string, more = ''): string =>
  `RESTORE DATABASE ${name} ${from(file)} WITH MOVE 'D' TO 'D:\\Data\\${name}.mdf', MOVE 'D_log' TO 'D:\\Data\\${name}.ldf'${more}`;
const errors = (text: string): Promise<number[]> => member.errors(text, member.session());
const host = (file: string): string => join(member.engine.hostPath(share) ?? '', `${file}.bak`);
const length = async (file: string): Promise<number> => (await stat(host(file))).size;

/** One row of the last result set, by column. */
async function row(text: string): Promise<Readonly<Record<string, unknown>>> {
  const { sets, errors: failures } = await member.run(text, member.session());
  if (failures.length > 0) throw new Error(failures.map(each => each.text).join('; '));
  const set = sets.at(-1);
  return Object.fromEntries((set?.columns ?? []).map((column, at) => [column.name, set?.rows[0]?.[at]]));
}

async function pagesOf(name: string): Promise<number> {
  const [[pages] = []] = await member.rows(
    `SELECT size FROM sys.master_files WHERE database_id = DB_ID(N'${name}') AND file_id = 1`,
  );
  return Number(pages);
}

/** Bytes of the padding that a full backup of the database has now. */
async function paddingOf(name: string): Promise<number> {
  await run(`${backup(`DATABASE ${name}`, 'measure')} WITH COPY_ONLY, FORMAT`);
  const { BackupSize } = await row(`RESTORE HEADERONLY ${from('measure')}`);
  // Rows and log of these databases are less than that.
  return Math.floor(Number(BackupSize) / (mb / 4)) * (mb / 4);
}

describe('the size of a padded database', () => {
  it('is told by its file, its backups and their history', async () => {
    expect(await length('d')).toBeGreaterThan(bytes);
    const { BackupSize } = await row(`RESTORE HEADERONLY ${from('d')}`);
    expect(Number(BackupSize)).toBeGreaterThan(bytes);
    expect(Number(BackupSize)).toBeLessThan(await length('d'));
    const file = await row(`RESTORE FILELISTONLY ${from('d')}`);
    expect(Number(file['Size'])).toBeGreaterThan(bytes);
    expect(Number(file['BackupSizeInBytes'])).toBeGreaterThan(bytes);
    const set =
      "JOIN msdb.dbo.backupset s ON s.backup_set_id = f.backup_set_id WHERE s.database_name = 'D' AND f.file_type = 'D'";
    expect(
      await member.rows(
        `SELECT TOP (1) CASE WHEN f.backup_size > ${bytes} AND f.file_size > ${bytes} AND s.backup_size > ${bytes}
           AND f.backed_up_page_count > ${Math.floor(bytes / 8192)} THEN 'all' ELSE 'not all' END FROM msdb.dbo.backupfile f ${set}`,
      ),
    ).toEqual([['all']]);
    expect(await pagesOf('D')).toBeGreaterThanOrEqual(bytes / 8192);
    // Of which this machine has nothing.
    expect((await stat(member.engine.hostPath('C:\\MSSQL\\DATA\\D.mdf') ?? '')).size).toBeLessThan(mb);
  });

  it('does not shrink by compression', async () => {
    await run(`${backup('DATABASE D', 'small')} WITH COPY_ONLY, COMPRESSION`);
    expect(await length('small')).toBeGreaterThan(bytes);
    const { CompressedBackupSize } = await row(`RESTORE HEADERONLY ${from('small')}`);
    expect(Number(CompressedBackupSize)).toBeGreaterThan(bytes);
    await run(restoreAs('Small', 'small'), 'DROP DATABASE Small');
  });

  it('takes room on a small disk, and is refused where there is none', async () => {
    const quota = 100 * mb;
    faults.set({ name: 'disk-quota', parameters: { bytes: quota } });
    try {
      const [[available] = []] = await member.rows(
        "SELECT available_bytes FROM sys.dm_os_volume_stats(DB_ID(N'D'), 1)",
      );
      expect(Number(available)).toBeLessThan(quota - bytes);
      expect(await errors(`EXEC sp_standin_pad_database N'D', ${500 * mb}`)).toEqual([1105]);
      faults.set({ name: 'disk-quota', parameters: { bytes: quota - Number(available) + mb } });
      expect(await errors(restoreAs('Copy', 'd'))).toEqual([3257, 3013]);
      expect(await errors(`${backup('DATABASE D', 'full')} WITH COPY_ONLY`)).toEqual([3202, 3013]);
      expect(await length('full')).toBeLessThanOrEqual(mb);
    } finally {
      faults.clear('disk-quota');
    }
    expect(await paddingOf('D')).toBe(8 * mb);
  });

  it.each([
    ["EXEC sp_standin_pad_database N'nobody', 1", 911],
    ["EXEC sp_standin_pad_database N'msdb', 1", 50_000],
    ["EXEC sp_standin_pad_database N'D', -1", 50_000],
    ["BEGIN TRAN; EXEC sp_standin_pad_database N'D', 1", 50_000],
  ])('%s is %i', async (text, number) => {
    expect(await errors(text)).toContain(number);
  });
});

describe('a padding', () => {
  it('comes back with full, differential and log, up to the stop', async () => {
    await run(
      backup('DATABASE D', 'base'),
      `${backup('DATABASE D', 'same')} WITH DIFFERENTIAL`,
      `EXEC sp_standin_pad_database N'D', ${2 * mb}`,
      `${backup('DATABASE D', 'changed')} WITH DIFFERENTIAL`,
      "BEGIN TRAN m WITH MARK; INSERT D.dbo.t VALUES (1); COMMIT; EXEC sp_standin_pad_database N'D', 3145728",
      backup('LOG D', 'log'),
    );
    expect(await length('same')).toBeLessThan(mb);
    expect(await length('changed')).toBeGreaterThan(2 * mb);
    expect(await length('log')).toBeLessThan(mb);
    await run(restoreAs('R', 'base', ', NORECOVERY'), `RESTORE DATABASE R ${from('same')} WITH RECOVERY`);
    expect(await paddingOf('R')).toBe(8 * mb);
    await run(restoreAs('R', 'base', ', NORECOVERY, REPLACE'), `RESTORE DATABASE R ${from('changed')} WITH RECOVERY`);
    expect(await paddingOf('R')).toBe(2 * mb);
    const atMark = restoreAs('R', 'base', ', NORECOVERY, REPLACE');
    await run(atMark, `RESTORE LOG R ${from('log')} WITH STOPATMARK = 'm', RECOVERY`);
    expect(await paddingOf('R')).toBe(2 * mb);
    await run(restoreAs('R', 'base', ', NORECOVERY, REPLACE'), `RESTORE LOG R ${from('log')} WITH RECOVERY`);
    expect(await paddingOf('R')).toBe(3 * mb);
    await run('DROP DATABASE R');
  });

  it('of the log makes each log backup as long, with other bytes', async () => {
    await run(
      `EXEC sp_standin_pad_database N'D', 0, ${mb + 7}`,
      backup('DATABASE D', 'nothing'),
      backup('LOG D', 'log-1'),
      `${backup('LOG D', 'log-2')} WITH COMPRESSION`,
    );
    expect(await length('nothing')).toBeLessThan(mb);
    for (const file of ['log-1', 'log-2']) expect(await length(file)).toBeGreaterThan(mb + 7);
    const [first, second] = [await readFile(host('log-1')), await readFile(host('log-2'))];
    expect(first.includes(second.subarray(mb / 2, mb / 2 + 64))).toBe(false);
    await run(restoreAs('L', 'nothing', ', NORECOVERY'), `RESTORE LOG L ${from('log-1')} WITH NORECOVERY`);
    await run(`RESTORE LOG L ${from('log-2')} WITH RECOVERY`, 'DROP DATABASE L');
  });

  it('survives a crash and a restart', async () => {
    await run(`EXEC sp_standin_pad_database N'D', ${bytes}`);
    const folder = member.engine.hostPath(share) ?? '';
    // What a crash at this moment leaves.
    await cp(join(folder, 'A'), join(folder, 'B'), { recursive: true });
    await member.close();
    for (const name of ['B', 'A']) {
      member = await group.start(name, { faults, hasty: true });
      expect(await paddingOf('D')).toBe(8 * mb);
      expect(await pagesOf('D')).toBeGreaterThanOrEqual(bytes / 8192);
    }
  });
});

describe('damage in the middle of a padding', () => {
  const flip = async (file: string, at: number): Promise<void> => {
    const handle = await open(host(file), 'r+');
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, at);
    await handle.write(Buffer.of((byte[0] ?? 0) ^ 4), 0, 1, at);
    await handle.close();
  };
  const damaged = async (file: string, damage: (copy: string) => Promise<void>): Promise<void> => {
    await copyFile(host(file), host('bad'));
    await damage('bad');
  };
  const verify = `RESTORE VERIFYONLY ${from('bad')}`;
  const readsHeader = async (): Promise<void> => {
    await row(`RESTORE HEADERONLY ${from('bad')}`);
  };

  it('is found by RESTORE at the latest', async () => {
    await damaged('d', copy => flip(copy, 4 * mb));
    await readsHeader();
    expect(await errors(verify)).toEqual([]);
    expect(await errors(restoreAs('Bad', 'bad'))).toEqual([3203, 3013]);
    expect(await member.rows("SELECT state_desc FROM sys.databases WHERE name = N'Bad'")).toEqual([['RESTORING']]);
    await run('DROP DATABASE Bad');
  });

  it('is found by VERIFYONLY where the set has checksums', async () => {
    await damaged('checked', copy => flip(copy, 4 * mb));
    await readsHeader();
    expect(await errors(verify)).toEqual([3183, 3013]);
    expect(await errors(restoreAs('Bad', 'bad', ', CHECKSUM'))).toEqual([3183, 3013]);
    await run('DROP DATABASE Bad');
  });

  it('is found where a file stops', async () => {
    await damaged('d', copy => truncate(host(copy), Math.floor(bytes / 2)));
    expect(await errors(verify)).toEqual([3203, 3013]);
    expect(await errors(restoreAs('Bad', 'bad'))).toEqual([3203, 3013]);
  });

  it('is found where blocks that are whole stand in each other’s place', async () => {
    await damaged('d', async copy => {
      const file = await readFile(host(copy));
      const frame = mb + 9;
      // A frame of a whole block: its type and its length.
      const lead = Buffer.from([0x50, 0, 0, 0x10, 0]);
      const at = file.indexOf(lead);
      const [one, two] = [file.subarray(at, at + frame), file.subarray(at + frame, at + 2 * frame)];
      expect(two.subarray(0, lead.length)).toEqual(lead);
      const handle = await open(host(copy), 'r+');
      await handle.write(Buffer.concat([two, one]), 0, 2 * frame, at);
      await handle.close();
    });
    expect(await errors(restoreAs('Bad', 'bad'))).toEqual([3203, 3013]);
    await run('DROP DATABASE Bad');
  });
});
