/** The backup job over two instances: its sets, its mark, and what stays when the second instance goes away. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { databasesOf, management, SampleGroup, serverNames } from './sample-group.ts';

const all = [...databasesOf.ONE, ...databasesOf.TWO].sort();
const good = [1, 2, 3, 4, 0].map(step => [step, 1]);
let group: SampleGroup;

jest.setTimeout(60_000);
beforeAll(async () => {
  group = await SampleGroup.create();
});
afterAll(() => group.end());

type SetRow = { readonly database: string; readonly file: string; readonly complete: boolean; readonly mark: string };

/** The rows of every set with an id above `after`, by id. */
async function setsAfter(after: number): Promise<ReadonlyMap<number, readonly SetRow[]>> {
  const rows = await group.at(
    'ONE',
    `SELECT BackupSetId, DatabaseName, BackupFileName, SetComplete, MarkName FROM ${management}.dbo.adm_BackupHistory
     WHERE BackupSetId > ${after} ORDER BY BackupId`,
  );
  const sets = new Map<number, SetRow[]>();
  for (const row of rows) {
    const id = Number(row['BackupSetId']);
    const [database, file] = [String(row['DatabaseName']), String(row['BackupFileName'])];
    const set = { database, file, complete: row['SetComplete'] === true, mark: String(row['MarkName']) };
    sets.set(id, [...(sets.get(id) ?? []), set]);
  }
  return sets;
}

async function nextSetId(): Promise<number> {
  const [row] = await group.at('ONE', `SELECT NextBackupSetId AS id FROM ${management}.dbo.adm_BackupSetId`);
  return Number(row?.['id']);
}

/** Databases whose log has the mark, and how often their MarkLog names it. */
async function marked(
  mark: string,
): Promise<{ readonly inLogs: readonly string[]; readonly named: readonly number[] }> {
  const inLogs: string[] = [];
  const named: number[] = [];
  for (const name of ['ONE', 'TWO'] as const) {
    const logs = await group.at(
      name,
      `SELECT database_name AS d FROM msdb.dbo.logmarkhistory WHERE mark_name = N'${mark}'`,
    );
    inLogs.push(...logs.map(row => String(row['d'])));
    for (const database of databasesOf[name]) {
      const [row] = await group.at(
        name,
        `SELECT COUNT(*) AS n FROM ${database}.dbo.MarkLog WHERE MarkName = N'${mark}'`,
      );
      named.push(Number(row?.['n']));
    }
  }
  return { inLogs: inLogs.sort(), named };
}

describe('the backup job over two instances', () => {
  it('takes a full and a log set of 13 files each, and marks every database', async () => {
    expect(await group.runJob()).toEqual(good);
    const sets = await setsAfter(0);
    expect([...sets.keys()]).toEqual([1, 2]);
    for (const rows of sets.values()) {
      expect(rows.map(({ database }) => database).sort()).toEqual(all);
      expect(rows.every(({ complete }) => complete)).toBe(true);
    }
    const files = [...sets.values()].flat().map(({ file }) => file);
    expect(files.sort()).toEqual((await group.files()).toSorted());
    expect(files.filter(file => file.startsWith('BTSDB2_BTS_'))).toHaveLength(12);
    const mark = sets.get(2)?.[0]?.mark ?? '';
    expect(await marked(mark)).toEqual({ inLogs: all, named: all.map(() => 1) });
  });

  it('knows an alias of a server, so that its mark is made there once', async () => {
    const alias = 'ORDERS,1499';
    await group.link(alias, `N'', N'SQLNCLI', N'${serverNames.TWO}'`);
    await group.at('ONE', `EXEC sp_standin_cover_database N'${management}', N'Orders', N'${alias}', N'Orders again'`);
    expect(await group.runJob()).toEqual(good);
    const rows = (await setsAfter(2)).get(3) ?? [];
    const orders = rows.filter(({ database }) => database === 'Orders');
    // Two rows, one file: it was written to twice, as nothing there says INIT.
    expect(orders.map(({ file }) => file)).toEqual([orders[0]?.file, orders[0]?.file]);
    expect(await group.at('TWO', `RESTORE HEADERONLY FROM DISK = N'\\\\share\\bts\\${orders[0]?.file}'`)).toHaveLength(
      2,
    );
    const { inLogs, named } = await marked(rows[0]?.mark ?? '');
    expect(inLogs).toEqual(all);
    expect(named.toSorted().slice(-2)).toEqual([1, 2]);
    await group.at(
      'ONE',
      `DELETE FROM ${management}.dbo.adm_OtherBackupDatabases WHERE DefaultDatabaseName = N'Orders again'`,
    );
    await group.at('ONE', `EXEC sp_dropserver N'${alias}'`);
  });

  it('does not mark at all when a server hides behind a second data source', async () => {
    const alias = 'ORDERS,1500';
    await group.alias(alias, 'TWO');
    await group.link(alias, `N'SQL Server'`);
    await group.at('ONE', `EXEC sp_standin_cover_database N'${management}', N'Orders', N'${alias}', N'Orders again'`);
    const marking = group.at('ONE', `EXEC ${management}.dbo.sp_MarkBTSLogs N'M'`);
    await expect(marking).rejects.toMatchObject({
      precedingErrors: [{ message: expect.stringMatching(/^STANDIN-UNSUPPORTED.*a second part of a transaction/) }],
    });
    expect(await marked('M')).toEqual({ inLogs: [], named: all.map(() => 0) });
    await group.at(
      'ONE',
      `DELETE FROM ${management}.dbo.adm_OtherBackupDatabases WHERE DefaultDatabaseName = N'Orders again'`,
    );
    await group.at('ONE', `EXEC sp_dropserver N'${alias}'`);
  });

  it('leaves a partial set when the second instance dies within the log backups', async () => {
    await group.kill('TWO');
    await group.start('TWO', 'create BTSDB2_BTS_BizTalkDTADb_Log_*');
    const id = await nextSetId();
    expect(await group.runJob()).toEqual([
      [1, 1],
      [2, 1],
      [3, 0],
      [0, 0],
    ]);
    const rows = (await setsAfter(id - 1)).get(id) ?? [];
    expect(rows.map(({ database }) => database)).toEqual([...databasesOf.ONE.toSorted(), 'Billing']);
    expect(rows.some(({ complete }) => complete)).toBe(false);
    expect(await nextSetId()).toBe(id + 1);
  });

  it('burns an id without a row while it is away, and marks nothing', async () => {
    const id = await nextSetId();
    expect((await group.runJob()).slice(-2)).toEqual([
      [3, 0],
      [0, 0],
    ]);
    expect((await setsAfter(id - 1)).size).toBe(0);
    expect(await nextSetId()).toBe(id + 1);
    const [step] = await group.at(
      'ONE',
      'SELECT TOP (1) message FROM msdb.dbo.sysjobhistory WHERE step_id = 3 ORDER BY instance_id DESC',
    );
    expect(step?.['message']).toContain('sp_MarkAll failed running sp_MarkBTSLogs');
  });

  it('goes on when it is back', async () => {
    await group.start('TWO');
    const id = await nextSetId();
    expect(await group.runJob()).toEqual(good);
    const rows = (await setsAfter(id - 1)).get(id) ?? [];
    expect(rows.map(({ database }) => database).sort()).toEqual(all);
    expect(await marked(rows[0]?.mark ?? '')).toEqual({ inLogs: all, named: all.map(() => 1) });
  });
});

describe('a death within the marking', () => {
  /** In how many logs each mark is. */
  async function counts(): Promise<readonly number[]> {
    const found = new Map<unknown, number>();
    for (const name of ['ONE', 'TWO'] as const) {
      for (const { m } of await group.at(name, 'SELECT mark_name AS m FROM msdb.dbo.logmarkhistory'))
        found.set(m, (found.get(m) ?? 0) + 1);
    }
    return [...found.values()];
  }

  it('of the second instance leaves a mark in every log', async () => {
    const before = (await counts()).length;
    await group.kill('TWO');
    await group.start('TWO', 'branch voted');
    expect((await group.runJob()).at(-1)).toEqual([0, 0]);
    await group.start('TWO');
    expect(await group.runJob()).toEqual(good);
    expect(await counts()).toEqual(Array.from({ length: before + 2 }, () => 13));
  });

  it('of both leaves the second one open for connections, and the mark in no log', async () => {
    const before = (await counts()).length;
    for (const name of ['ONE', 'TWO'] as const) await group.kill(name);
    await group.start('TWO');
    await group.start('ONE', 'distributed prepared');
    await group.startJob();
    await group.ended('ONE');
    await group.kill('TWO');
    // Its part holds its commits back, the Agent's first one too, until the coordinator can be asked.
    await group.start('TWO');
    expect(await group.at('TWO', 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await group.start('ONE');
    expect(await group.runJob()).toEqual(good);
    expect(await counts()).toEqual(Array.from({ length: before + 1 }, () => 13));
  });
});
