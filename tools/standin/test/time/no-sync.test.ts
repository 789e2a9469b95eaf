import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { connect, StandInProcess, temporaryFolder } from './process.ts';

it('keeps with --no-sync what was committed and backed up through kill -9, and nothing else', async () => {
  await temporaryFolder(async folder => {
    const args = ['--data', join(folder, 'data'), '--name', 'ONE', '--no-sync'];
    const first = new StandInProcess(args);
    const before = await connect((await first.line())['port']);
    // What breaks an idle connection is told by the next request.
    before.on('error', () => undefined);
    await before.request().batch('CREATE DATABASE A');
    await before.request().batch('CREATE TABLE A.dbo.t (id int PRIMARY KEY)');
    await before.request().batch("BACKUP DATABASE A TO DISK = 'a.bak'; INSERT A.dbo.t VALUES (1)");
    await before.request().batch("BACKUP LOG A TO DISK = 'a.bak'");
    await before.request().batch('BEGIN TRAN; INSERT A.dbo.t VALUES (2)');
    await first.end('SIGKILL');
    await before.close();
    const second = new StandInProcess(args);
    const after = await connect((await second.line())['port']);
    const query = async (text: string): Promise<unknown> => [...(await after.request().query(text)).recordset];
    expect(await query('SELECT id FROM A.dbo.t')).toEqual([{ id: 1 }]);
    expect(await query('SELECT type FROM msdb.dbo.backupset ORDER BY backup_set_id')).toEqual([
      { type: 'D' },
      { type: 'L' },
    ]);
    // The chain goes on where the backup ended.
    await after.request().batch("BACKUP LOG A TO DISK = 'a.bak'");
    expect(
      await query(
        `SELECT COUNT(*) AS n FROM msdb.dbo.backupset b JOIN msdb.dbo.backupset n ON n.first_lsn = b.last_lsn AND n.backup_set_id > b.backup_set_id WHERE b.type = 'L'`,
      ),
    ).toEqual([{ n: 1 }]);
    await after.close();
    expect(await second.end('SIGTERM')).toBe(0);
  });
});
