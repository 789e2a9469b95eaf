/** Arguments and states of which only the public text of the procedures tells (biztalk-dr.md §0: it wins). */
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startBizTalkFixture, type BizTalkFixture } from './biztalk-fixture.ts';

const management = 'BizTalkMgmtDb.dbo';
const path = "'\\\\share\\bts'";
let fixture: BizTalkFixture;
let minutes = 0;

beforeAll(async () => {
  fixture = await startBizTalkFixture('2026-03-01T10:00:00Z', ['BizTalkMgmtDb', 'Box'], { hasty: true });
  await fixture.rows("EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @messageBox = N'Box'");
});
afterAll(() => fixture.end());
beforeEach(() => {
  minutes += 1;
  fixture.setClock(new Date(Date.parse('2026-03-01T10:00:00Z') + minutes * 60_000).toISOString());
});

/** Texts of the messages, without how much was backed up, and what was returned. */
async function call(text: string): Promise<{ readonly texts: readonly string[]; readonly status: unknown }> {
  const session = fixture.session();
  const sink = await fixture.run(
    `DECLARE @s int = 7, @now datetime = GETUTCDATE(); EXEC @s = ${management}.${text}; SELECT @s AS s`,
    session,
  );
  await fixture.engine.detach(session);
  const texts = sink.messages.map(message => message.text).filter(each => !/rocessed \d+ pages/.test(each));
  return { texts, status: sink.objects().at(-1)?.['s'] };
}

describe('sp_GetNextBackupSetId', () => {
  const states: readonly (readonly [string, string, readonly unknown[]])[] = [
    ['without a row', '', []],
    ['with two rows', 'INSERT INTO {t} VALUES (5), (6)', [5n, 6n]],
    ['with an id of 0', 'INSERT INTO {t} VALUES (0)', [0n]],
    ['with an id below', 'INSERT INTO {t} VALUES (-3)', [-3n]],
  ];

  it.each(states)('%s returns -1 and changes nothing, and the sets of both kinds fail', async (_, insert, ids) => {
    const table = `${management}.adm_BackupSetId`;
    await fixture.rows(`DELETE FROM ${table}; ${insert.replace('{t}', table)}`);
    const files = await fixture.rows(`SELECT COUNT(*) AS n FROM ${management}.adm_BackupHistory`);
    expect(await call('sp_GetNextBackupSetId')).toEqual({ texts: [], status: -1n });
    const texts = ['Failed running sp_GetNextBackupSetId'];
    expect(await call(`sp_BackupAllFull 'BTS', ${path}`)).toEqual({ texts, status: -1n });
    // It gives the lock back, which it never had.
    expect(await call(`sp_MarkAll 'BTS', ${path}`)).toEqual({ texts, status: -999n });
    expect(await fixture.rows(`SELECT COUNT(*) AS n FROM ${management}.adm_BackupHistory`)).toEqual(files);
    const left = await fixture.rows(`SELECT NextBackupSetId AS id FROM ${table} ORDER BY id`);
    expect(left.map(({ id }) => id)).toEqual(ids);
    await fixture.rows(`DELETE FROM ${table}; INSERT INTO ${table} VALUES (${minutes * 10})`);
  });
});

describe('sp_BackupAllFull', () => {
  it('has the moment that it is given, in its files and in the history', async () => {
    expect(await call(`sp_BackupAllFull 'BTS', ${path}, '2026-02-03T04:05:06.789'`)).toEqual({ texts: [], status: 0n });
    const [row] = await fixture.rows(
      `SELECT TOP (1) BackupFileName AS name, CONVERT(nvarchar(30), BackupDateTime, 126) AS at FROM ${management}.adm_BackupHistory ORDER BY BackupId DESC`,
    );
    expect(row?.['at']).toBe('2026-02-03T04:05:06.790');
    expect(row?.['name']).toMatch(/_Full_BTS_2026_02_03_04_05_06_790\.bak$/);
    await access(join(fixture.share, String(row?.['name'])));
  });

  it('has a file and no row without its moment, and whoever called it goes no further', async () => {
    const rows = (): Promise<unknown> => fixture.rows(`SELECT COUNT(*) AS n FROM ${management}.adm_BackupHistory`);
    const [before, files] = [await rows(), (await readdir(fixture.share)).length];
    const caller = fixture.session();
    const sink = await fixture.run(
      `EXEC ${management}.sp_BackupAllFull 'BTS', ${path}, NULL, 1; PRINT N'after it'`,
      caller,
    );
    // XACT_ABORT is on in it.
    expect(sink.messages.filter(({ severity }) => severity > 10).map(({ number }) => number)).toEqual([515]);
    expect(sink.messages.map(({ text }) => text)).not.toContain('after it');
    expect(await rows()).toEqual(before);
    expect(await readdir(fixture.share)).toHaveLength(files + 1);
    // The lock stays with the session.
    expect(fixture.engine.locks().filter(({ resourceType }) => resourceType === 'APPLICATION')).toHaveLength(1);
    await fixture.engine.detach(caller);
  });

  it('never warns of a remote time-out, as sp_MarkAll does (F-15)', async () => {
    await fixture.rows("EXEC sp_configure 'remote query timeout (s)', 0; RECONFIGURE");
    const warning = 'Warning: A Remote Query Timeout may have occurred';
    expect((await call("sp_BackupAllFull 'BTS', 'Q:\\nowhere'")).texts).not.toContain(warning);
    expect((await call("sp_MarkAll 'BTS', 'Q:\\nowhere'")).texts).toContain(warning);
    await fixture.rows("EXEC sp_configure 'remote query timeout (s)', 600; RECONFIGURE");
  });
});

describe('sp_MarkAll', () => {
  it('ends its batch, lock and all, where the history takes no row', async () => {
    const [holder, caller] = [fixture.session(), fixture.session()];
    await fixture.rows(`EXEC ${management}.sp_BackupAllFull 'BTS', ${path}, '2026-03-01T09:00:00'`);
    await fixture.rows(
      `BEGIN TRAN; UPDATE ${management}.adm_BackupHistory WITH (TABLOCKX) SET SetComplete = 1`,
      holder,
    );
    const sink = await fixture.run(
      `SET LOCK_TIMEOUT 0; EXEC ${management}.sp_MarkAll 'BTS', ${path}; PRINT N'after it'`,
      caller,
    );
    expect(sink.messages.filter(({ severity }) => severity > 10).map(({ number }) => number)).toEqual([1222]);
    expect(sink.messages.map(({ text }) => text)).not.toContain('after it');
    const locks = fixture.engine.locks().filter(({ resourceType }) => resourceType === 'APPLICATION');
    expect(locks).toHaveLength(1);
    await fixture.rows('ROLLBACK', holder);
    for (const session of [holder, caller]) await fixture.engine.detach(session);
  });
});

describe('admv_BackupDatabases', () => {
  const covered = `SELECT ServerName AS s, DatabaseName AS d FROM ${management}.admv_BackupDatabases ORDER BY d`;

  it('takes names for one that differ in case and in blanks at the end', async () => {
    await fixture.rows(
      "EXEC sp_standin_cover_database @management = N'BizTalkMgmtDb', @database = N'BOX ', @server = N'test\\one'",
    );
    expect((await fixture.rows(covered)).map(({ d }) => d)).toEqual(['BizTalkMgmtDb', 'Box']);
    expect(await call(`sp_BackupAllFull 'BTS', ${path}, @now`)).toEqual({ texts: [], status: 0n });
    await fixture.rows(`DELETE FROM ${management}.adm_OtherBackupDatabases`);
  });

  it('leaves out a message box whose server is empty, as the others', async () => {
    await fixture.rows(
      `INSERT INTO ${management}.adm_MessageBox (GroupId, DBServerName, DBName, IsMasterMsgBox, UniqueId) VALUES (1, N' ', N'Nowhere', 0, NEWID());
       INSERT INTO ${management}.adm_OtherBackupDatabases VALUES (N'Other', N'Nowhere', N'', N'x')`,
    );
    expect((await fixture.rows(covered)).map(({ d }) => d)).toEqual(['BizTalkMgmtDb', 'Box']);
    await fixture.rows(
      `DELETE FROM ${management}.adm_MessageBox WHERE DBName = N'Nowhere'; DELETE FROM ${management}.adm_OtherBackupDatabases`,
    );
  });
});

describe('sp_SetBackupCompression', () => {
  it('without a value is a column without a value', async () => {
    await call('sp_SetBackupCompression 1');
    const { texts } = await call('sp_SetBackupCompression NULL');
    expect(texts[0]).toMatch(/^Cannot insert the value NULL into column 'UseCompression'/);
    expect(await fixture.rows(`SELECT UseCompression AS c FROM ${management}.adm_BackupSettings`)).toEqual([
      { c: true },
    ]);
    await call('sp_SetBackupCompression 0');
  });
});
