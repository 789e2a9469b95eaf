/** sp_BackupAllFull_Schedule as it is called: the state before, the arguments, and whether a full set was taken (biztalk-dr.md §2.2). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProcedureContext } from '../contract.ts';
import { toSqlDateTime } from '../engine/times.ts';
import { startBizTalkFixture, type BizTalkFixture } from './biztalk-fixture.ts';
import { managementProcedures } from './management-procedures.ts';
import type { TypedValue } from '../values.ts';

const management = 'BizTalkMgmtDb.dbo';
let fixture: BizTalkFixture;

beforeAll(async () => {
  fixture = await startBizTalkFixture('2026-03-01T10:00:00Z', ['BizTalkMgmtDb', 'SSODB'], { hasty: true });
  await fixture.rows("EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @sso = N'SSODB'");
});
afterAll(() => fixture.end());

/** Set id, type, complete, start. */
type SetRow = readonly [id: number, type: 'db' | 'lg', complete: 0 | 1, at: string];

async function before(rows: readonly SetRow[], forceFull: boolean): Promise<void> {
  const values = rows.map(
    ([id, type, complete, at]) => `(${id}, N'X', N'f', N'p', '${type}', '${at}', ${complete}, N'S')`,
  );
  await fixture.rows(`DELETE FROM ${management}.adm_BackupHistory; UPDATE ${management}.adm_BackupSettings SET ForceFull = ${forceFull ? 1 : 0};
    UPDATE ${management}.adm_BackupSetId SET NextBackupSetId = 100`);
  if (values.length > 0)
    await fixture.rows(
      `INSERT INTO ${management}.adm_BackupHistory (BackupSetId, DatabaseName, BackupFileName, BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName)
       VALUES ${values.join(', ')}`,
    );
}

const taken = `SELECT COUNT(*) AS files, MIN(CONVERT(int, SetComplete)) AS complete FROM ${management}.adm_BackupHistory WHERE BackupSetId = 100`;
const noon = '2026-03-18T12:00:00';

/** What is there, the arguments after the path, and whether a full was taken at noon of Wednesday, 18 March. */
const table: readonly (readonly [string, readonly SetRow[], string, string, boolean])[] = [
  ['no full at all', [], 'd', '0', true],
  ['no full at all, whatever the hour', [], 'd', '0, 5', true],
  ['log sets alone are no full', [[1, 'lg', 1, noon]], 'd', '0', true],
  ['a full of today', [[1, 'db', 1, '2026-03-18T00:00:01']], 'd', '0', false],
  ['a partial full of today counts as done', [[1, 'db', 0, '2026-03-18T00:00:01']], 'd', '0', false],
  ['unless the flag asks for it', [[1, 'db', 0, '2026-03-18T00:00:01']], 'd', '1', true],
  [
    'a full of today, then a partial log set',
    [
      [1, 'db', 1, '2026-03-18T01:00'],
      [2, 'lg', 0, '2026-03-18T02:00'],
    ],
    'd',
    '1',
    true,
  ],
  [
    'the same without the flag',
    [
      [1, 'db', 1, '2026-03-18T01:00'],
      [2, 'lg', 0, '2026-03-18T02:00'],
    ],
    'd',
    '0',
    false,
  ],
  [
    'a partial set before a complete full',
    [
      [1, 'lg', 0, '2026-03-18T01:00'],
      [2, 'db', 1, '2026-03-18T02:00'],
    ],
    'd',
    '1',
    false,
  ],
  [
    'a partial set before complete logs alone',
    [
      [1, 'db', 0, '2026-03-18T01:00'],
      [2, 'lg', 1, '2026-03-18T02:00'],
    ],
    'd',
    '1',
    true,
  ],
  ['a full of yesterday', [[1, 'db', 1, '2026-03-17T23:59:59']], 'd', '0', true],
  ['a full of yesterday at the hour', [[1, 'db', 1, '2026-03-17T12:00']], 'd', '0, 12', true],
  ['a full of yesterday at another hour', [[1, 'db', 1, '2026-03-17T12:00']], 'd', '0, 13', false],
  ['the hour is no rule for hourly fulls', [[1, 'db', 1, '2026-03-18T11:59']], 'h', '0, 13', true],
  ['an hour out of range is midnight', [[1, 'db', 1, '2026-03-17T12:00']], 'd', '0, 24', false],
  ['a full of this hour', [[1, 'db', 1, '2026-03-18T12:00']], 'H', '0', false],
  ['a full of this week', [[1, 'db', 1, '2026-03-15T00:00']], 'w', '0', false],
  ['a full of last week', [[1, 'db', 1, '2026-03-14T23:59']], 'W', '0', true],
  ['a full of this month', [[1, 'db', 1, '2026-03-01T00:00']], 'm', '0', false],
  ['a full of last month', [[1, 'db', 1, '2026-02-28T23:59']], 'M', '0', true],
  ['a full of this year', [[1, 'db', 1, '2026-01-01T00:00']], 'y', '0', false],
  ['a full of last year', [[1, 'db', 1, '2025-12-31T23:59']], 'Y', '0', true],
  [
    'the newest full is that of the latest start, whatever its id',
    [
      [1, 'db', 1, noon],
      [2, 'db', 1, '2026-03-17T12:00'],
    ],
    'd',
    '0',
    false,
  ],
  ['an unknown frequency is nothing to the first full', [], 'q', '0', true],
  ['nor to one after a partial set', [[1, 'db', 0, noon]], 'q', '1', true],
];

describe('sp_BackupAllFull_Schedule', () => {
  it.each(table)('%s', async (_, rows, frequency, rest, due) => {
    fixture.setClock(`${noon}Z`);
    await before(rows, false);
    await fixture.rows(`EXEC ${management}.sp_BackupAllFull_Schedule '${frequency}', 'BTS', '\\\\share\\bts', ${rest}`);
    expect(await fixture.rows(taken)).toEqual([due ? { files: 2n, complete: 1n } : { files: 0n, complete: null }]);
  });

  it('takes a full that is asked for in any period and hour, and asks again when it failed', async () => {
    fixture.setClock(`${noon}Z`);
    await before([[1, 'db', 1, noon]], true);
    await fixture.rows('ALTER DATABASE SSODB SET OFFLINE');
    const schedule = `EXEC ${management}.sp_BackupAllFull_Schedule 'd', 'BTS', '\\\\share\\bts', 0, 3`;
    const session = fixture.session();
    expect((await fixture.errors(schedule, session)).slice(-2)).toEqual([
      '50000 Failed running the backup on TEST\\ONE.SSODB',
      '50000 Failed running sp_BackupAllFull',
    ]);
    await fixture.engine.detach(session);
    await fixture.rows('ALTER DATABASE SSODB SET ONLINE');
    const flag = `SELECT ForceFull AS f FROM ${management}.adm_BackupSettings`;
    expect(await fixture.rows(flag)).toEqual([{ f: true }]);
    fixture.setClock('2026-03-18T12:15:00Z');
    await fixture.rows(schedule);
    expect(await fixture.rows(flag)).toEqual([{ f: false }]);
    const complete = `SELECT DISTINCT BackupSetId AS id FROM ${management}.adm_BackupHistory WHERE BackupSetId >= 100 AND SetComplete = 1`;
    expect(await fixture.rows(complete)).toEqual([{ id: 101n }]);
  });

  it('tries again after a full whose first database failed: that leaves no row', async () => {
    fixture.setClock('2026-03-19T12:00:00Z');
    await before([[1, 'db', 1, noon]], false);
    const away = `EXEC ${management}.sp_BackupAllFull_Schedule 'd', 'BTS', 'Q:\\nowhere', 1`;
    const session = fixture.session();
    expect(await fixture.errors(away, session)).toHaveLength(4);
    await fixture.engine.detach(session);
    fixture.setClock('2026-03-19T12:15:00Z');
    await fixture.rows(away.replace('Q:\\nowhere', '\\\\share\\bts'));
    const ids = `SELECT DISTINCT BackupSetId AS id FROM ${management}.adm_BackupHistory ORDER BY id`;
    expect(await fixture.rows(ids)).toEqual([{ id: 1n }, { id: 101n }]);
  });

  it.each(["'q'", "''", 'NULL'])(
    'refuses the frequency %s where it compares periods, and not before',
    async frequency => {
      fixture.setClock(`${noon}Z`);
      const schedule = `EXEC @s = ${management}.sp_BackupAllFull_Schedule ${frequency}, 'BTS', '\\\\share\\bts'`;
      await before([[1, 'db', 1, noon]], false);
      const sink = await fixture.run(`DECLARE @s int; ${schedule}; SELECT @s AS s`);
      expect(sink.messages.map(({ text }) => text)).toEqual(['Unknown value for the parameter @Frequency']);
      expect(sink.objects()).toEqual([{ s: -1n }]);
      await before([[1, 'db', 1, noon]], true);
      expect(await fixture.rows(`DECLARE @s int; ${schedule}; SELECT @s AS s`)).toEqual([{ s: 0n }]);
      expect(await fixture.rows(taken)).toEqual([{ files: 2n, complete: 1n }]);
    },
  );

  it('returns -1 when the full fails, as that does itself', async () => {
    fixture.setClock('2026-03-21T12:00:00Z');
    await before([], false);
    for (const procedure of ["sp_BackupAllFull_Schedule 'd',", 'sp_BackupAllFull']) {
      const session = fixture.session();
      const sink = await fixture.run(
        `DECLARE @s int; EXEC @s = ${management}.${procedure} 'BTS', 'Q:\\nowhere'; SELECT @s AS s`,
        session,
      );
      expect(sink.objects()).toEqual([{ s: -1n }]);
      await fixture.engine.detach(session);
    }
  });

  it('goes by the weeks of the session', async () => {
    fixture.setClock('2026-03-23T12:00:00Z');
    const weekly = `EXEC ${management}.sp_BackupAllFull_Schedule 'w', 'BTS', '\\\\share\\bts'`;
    await before([[1, 'db', 1, '2026-03-22T12:00']], false);
    await fixture.rows(weekly);
    expect(await fixture.rows(taken)).toEqual([{ files: 0n, complete: null }]);
    const session = fixture.session();
    await fixture.rows(`SET DATEFIRST 1; ${weekly}`, session);
    expect(await fixture.rows(taken)).toEqual([{ files: 2n, complete: 1n }]);
  });
});

describe('a server ten hours ahead of UTC', () => {
  /** The newest full, UTC now, @UseLocalTime, @BackupHour, due. Local time is ten hours later. */
  const zones: readonly (readonly [string, string, 0 | 1, number | null, boolean])[] = [
    // UTC days begin at ten in the morning.
    ['2026-03-18T23:00', '2026-03-18T23:59', 0, null, false],
    ['2026-03-18T23:00', '2026-03-19T00:00', 0, null, true],
    // Its own days at 14:00 UTC; the history's times are local then.
    ['2026-03-18T23:00', '2026-03-18T13:59', 1, null, false],
    ['2026-03-18T23:00', '2026-03-18T14:00', 1, null, true],
    // The hour is the local one whatever clock the periods go by: 10:30 there.
    ['2026-03-18T00:30', '2026-03-19T00:30', 0, 10, true],
    ['2026-03-18T00:30', '2026-03-19T00:30', 0, 0, false],
    ['2026-03-18T10:30', '2026-03-19T00:30', 1, 10, true],
    ['2026-03-18T10:30', '2026-03-19T00:30', 1, 0, false],
  ];

  it.each(zones)('newest %s, UTC %s, @UseLocalTime %s, hour %s: due %s', async (newest, utc, local, hour, due) => {
    const here = new Date(Date.parse(`${utc}:00Z`) + 36_000_000).toISOString().slice(0, 23);
    const executed: unknown[] = [];
    const given: Readonly<Record<string, unknown>> = {
      '@Frequency': 'd',
      '@MarkName': 'BTS',
      '@BackupPath': 'p',
      '@ForceFullBackupAfterPartialSetFailure': false,
      '@BackupHour': hour === null ? null : BigInt(hour),
      '@UseLocalTime': local === 1,
    };
    const answers: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
      ['GETUTCDATE', { at: `${utc}:00.000` }],
      ['GETDATE', { at: here }],
      ['MAX(BackupDateTime)', { at: toSqlDateTime(new Date(`${newest}Z`)) }],
    ];
    const context = {
      session: { options: { dateFirst: 7 } },
      argument: (name: string) => given[name],
      query: (text: string) =>
        Promise.resolve(
          answers
            .filter(([part]) => text.includes(part))
            .slice(0, 1)
            .map(([, row]) => row),
        ),
      execute: (_: string, { now }: Readonly<Record<string, TypedValue>>) =>
        Promise.resolve(void executed.push(now?.value)),
    } as unknown as ProcedureContext;
    await managementProcedures.find(({ name }) => name === 'sp_BackupAllFull_Schedule')?.run(context);
    // The full's own moment is this one, by the clock that was chosen.
    expect(executed).toEqual(due ? [toSqlDateTime(new Date(local === 1 ? `${here}Z` : `${utc}Z`))] : []);
  });
});
