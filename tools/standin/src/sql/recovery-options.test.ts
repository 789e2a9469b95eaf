import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startFixture, type Fixture, type TestSession } from '../engine/engine-fixture.ts';
import { createRegistry } from '../catalogue/catalogue-registry.ts';
import { fail, message } from '../messages.ts';
import type { Engine } from '../contract.ts';
import { createExecutor } from './executor.ts';
import { recordingSink, type Answer } from './sql-fixture.ts';

describe('what BACKUP, RESTORE and ALTER DATABASE hand to the engine', () => {
  let fixture: Fixture;
  let session: TestSession;
  let run: (text: string) => Promise<Answer>;
  const seen: unknown[] = [];
  beforeAll(async () => {
    fixture = await startFixture();
    session = fixture.session();
    const engine: Engine = {
      ...fixture.engine(),
      backup: (_, statement, sink) => {
        seen.push(statement);
        sink.info(message(3014, 'BACKUP DATABASE', 1, '0.001', '1.000'));
        return Promise.resolve();
      },
      restore: (_, statement) => Promise.resolve(void seen.push(statement)),
      restoreInformation: (_, statement) => Promise.resolve(void seen.push(statement)),
      alterDatabase: (_, statement) => {
        seen.push(statement);
        return statement.database === 'gone' ? Promise.reject(fail(5011, 'gone')) : Promise.resolve();
      },
    };
    const executor = createExecutor(engine, createRegistry(), { write: () => undefined });
    run = async text => {
      const { sink, answer } = recordingSink();
      await executor.batch(session, text, sink);
      return answer;
    };
  });
  afterAll(() => fixture.end());
  beforeEach(() => {
    seen.length = 0;
  });

  it('evaluates names, devices and options', async () => {
    const answer = await run(`DECLARE @d sysname = N'My DB', @f nvarchar(200) = N'\\\\share\\bts\\a.bak';
      BACKUP DATABASE @d TO DISK = @f, DISK = 'D:\\b.bak' WITH DIFFERENTIAL, COPY_ONLY, NO_COMPRESSION, CHECKSUM, FORMAT, NAME = N'x''y', STATS, BLOCKSIZE = 4096, MAXTRANSFERSIZE = 131072, BUFFERCOUNT = 4, STOP_ON_ERROR`);
    expect(answer.errors).toEqual([]);
    expect(seen).toEqual([
      {
        kind: 'database',
        database: 'My DB',
        devices: [{ type: 'disk', path: '\\\\share\\bts\\a.bak' }, { type: 'disk', path: 'D:\\b.bak' }],
        options: { differential: true, compression: false, checksum: true, blockSize: 4096, init: true, format: true, name: "x'y", stats: 10 },
      },
    ]); // prettier-ignore
    expect(answer.ends).toEqual([{ command: 228 }]);
  });

  it('reads every RESTORE form', async () => {
    await run(`RESTORE DATABASE d FROM DISK = 'f' WITH FILE = 2, NORECOVERY, REPLACE, MOVE 'a' TO 'D:\\a.mdf', MOVE N'b' TO 'D:\\b.ldf', STATS = 5
      RESTORE LOG d FROM DISK = 'f' WITH NORECOVERY, STOPATMARK = N'M' AFTER '2026-01-01T00:00:00'
      RESTORE LOG d FROM DISK = 'f' WITH STANDBY = 'u', STOPAT = '2026-01-01T00:00:00'
      RESTORE DATABASE d FROM DISK = 'f' WITH STOPBEFOREMARK = 'lsn:15000000040000037'
      RESTORE DATABASE d WITH RECOVERY
      RESTORE HEADERONLY FROM DISK = 'f' RESTORE VERIFYONLY FROM URL = 'u' WITH FILE = 3, CHECKSUM`);
    const f = [{ type: 'disk', path: 'f' }];
    expect(seen).toEqual([
      {
        kind: 'database', database: 'd', devices: f, recovery: 'norecovery',
        options: { file: 2, replace: true, stats: 5, move: [{ logicalName: 'a', physicalName: 'D:\\a.mdf' }, { logicalName: 'b', physicalName: 'D:\\b.ldf' }] },
      },
      { kind: 'log', database: 'd', devices: f, recovery: 'norecovery', options: { stop: { kind: 'at mark', mark: 'M', after: '2026-01-01T00:00:00' } } },
      { kind: 'log', database: 'd', devices: f, recovery: { standby: 'u' }, options: { stop: { kind: 'at time', time: '2026-01-01T00:00:00' } } },
      { kind: 'database', database: 'd', devices: f, recovery: 'recovery', options: { stop: { kind: 'before mark', mark: 'lsn:15000000040000037' } } },
      { kind: 'database', database: 'd', devices: [], recovery: 'recovery', options: {} },
      { kind: 'headeronly', devices: f, options: {} },
      { kind: 'verifyonly', devices: [{ type: 'url', path: 'u' }], options: { file: 3, checksum: true } },
    ]); // prettier-ignore
  });

  it('tells NO_CHECKSUM from none', async () => {
    await run(`BACKUP LOG d TO DISK = 'f' WITH NO_CHECKSUM RESTORE LOG d FROM DISK = 'f' WITH NO_CHECKSUM
      RESTORE VERIFYONLY FROM DISK = 'f' WITH NO_CHECKSUM RESTORE VERIFYONLY FROM DISK = 'f'`);
    expect(seen.map(each => (each as { readonly options: object }).options)).toEqual([
      { checksum: false },
      { checksum: false },
      { checksum: false },
      {},
    ]);
  });

  it.each([
    ["'20260301 10:01:30'", '2026-03-01T10:01:30'],
    ["'2026-03-01'", '2026-03-01T00:00:00'],
    ["'03/01/2026 10:01:30 PM'", '2026-03-01T22:01:30'],
    ["'2026-03-01 10:01:30.005'", '2026-03-01T10:01:30.007'],
    ["'2026-03-01T10:01'", '2026-03-01T10:01:00'],
    ['@datetime', '2026-03-01T10:01:30.007'],
    ['@datetime2', '2026-03-01T10:01:30.007'],
  ])('reads %s as a time to stop at, and after', async (given, time) => {
    const answer =
      await run(`DECLARE @datetime datetime = '20260301 10:01:30.007', @datetime2 datetime2 = '20260301 10:01:30.0065'
      RESTORE LOG d FROM DISK = 'f' WITH STOPAT = ${given}
      RESTORE LOG d FROM DISK = 'f' WITH STOPBEFOREMARK = 'm' AFTER ${given}`);
    expect(answer.errors).toEqual([]);
    expect(seen.map(each => (each as { readonly options: { readonly stop: unknown } }).options.stop)).toEqual([
      { kind: 'at time', time },
      { kind: 'before mark', mark: 'm', after: time },
    ]);
  });

  it.each([
    ['NAME', 128],
    ['DESCRIPTION', 255],
    ['MEDIANAME', 128],
    ['MEDIADESCRIPTION', 255],
  ])('takes a %s of up to %i characters', async (name, longest) => {
    const named = (length: number): string => `BACKUP DATABASE d TO DISK = 'f' WITH ${name} = '${'x'.repeat(length)}'`;
    expect((await run(named(longest))).errors).toEqual([]);
    expect((await run(named(longest + 1))).errors.map(each => each.number)).toEqual([50000]);
    expect(seen).toHaveLength(1);
  });

  const refused: readonly (readonly [statement: string, numbers: number[]])[] = [
    ["RESTORE DATABASE d FROM DISK = 'f' WITH RECOVERY, NORECOVERY", [3031, 3013]],
    ["BACKUP LOG d TO DISK = 'f' WITH DIFFERENTIAL", [3032, 3013]],
    ["BACKUP LOG d TO DISK = 'f' WITH COPY_ONLY, NORECOVERY", [3031, 3013]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH INIT, INIT", [3031, 3013]],
    ["BACKUP DATABASE d TO DISK = ''", [3044, 3013]],
    [`BACKUP DATABASE d TO ${Array.from({ length: 65 }, (_, i) => `DISK = 'f${i}'`).join(', ')}`, [3205, 3013]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH ENCRYPTION (ALGORITHM = AES_256, SERVER CERTIFICATE = c)", [50000]],
    ["RESTORE DATABASE d FROM DISK = 'f' WITH KEEP_REPLICATION", [50000]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH BOGUS", [155]],
    ["RESTORE LOG d FROM DISK = 'f' WITH STOPAT = 'noon'", [241, 3013]],
    ["RESTORE LOG d FROM DISK = 'f' WITH STOPAT = '1752-12-31'", [242, 3013]],
    ["RESTORE LOG d FROM DISK = 'f' WITH STOPATMARK = 'm' AFTER 'noon'", [241, 3013]],
    ["RESTORE LOG d FROM DISK = 'f' WITH STOPAT = '2026-03-01' AFTER '2026-03-01'", [102]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH NAME = 'n' AFTER '2026-03-01'", [102]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH CHECKSUM, NO_CHECKSUM", [3031, 3013]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH MAXTRANSFERSIZE = 65537", [50000]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH MAXTRANSFERSIZE = 4259840", [50000]],
    ["RESTORE DATABASE d FROM DISK = 'f' WITH MAXTRANSFERSIZE = 0", [50000]],
    ["RESTORE VERIFYONLY FROM DISK = 'f' WITH BUFFERCOUNT = 0", [50000]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH BUFFERCOUNT = -1", [50000]],
    ["BACKUP DATABASE d TO DISK = 'f' WITH NAME", [50000]],
    ['ALTER DATABASE gone SET OFFLINE', [5011, 5069]],
    ['BEGIN TRAN ALTER DATABASE d SET OFFLINE', [226, 5069]],
    ['ALTER DATABASE d SET AUTO_CLOSE ON', [50000]],
    ['BEGIN TRAN CREATE DATABASE x', [226]],
  ];

  it.each(refused)('%s', async (statement, numbers) => {
    const answer = await run(`${statement}\nIF @@TRANCOUNT > 0 ROLLBACK`);
    expect(answer.errors.map(each => each.number)).toEqual(numbers);
    if (statement.includes('gone')) return;
    expect(seen).toEqual([]);
    if (session.transaction !== undefined) await run('ROLLBACK');
  });

  it('passes ALTER DATABASE on', async () => {
    await run(
      'ALTER DATABASE d SET RECOVERY SIMPLE; ALTER DATABASE d SET SINGLE_USER WITH ROLLBACK IMMEDIATE; ALTER DATABASE d SET OFFLINE WITH NO_WAIT; ALTER DATABASE d SET ONLINE WITH ROLLBACK AFTER 5 SECONDS',
    );
    expect(seen).toEqual([
      { database: 'd', set: { option: 'RECOVERY', model: 'SIMPLE' } },
      { database: 'd', set: { option: 'SINGLE_USER' }, termination: { kind: 'rollback immediate' } },
      { database: 'd', set: { option: 'OFFLINE' }, termination: { kind: 'no wait' } },
      { database: 'd', set: { option: 'ONLINE' }, termination: { kind: 'rollback after', seconds: 5 } },
    ]);
  });

  it('lets TRY catch the last of several messages, as the server does', async () => {
    const answer = await run(
      "BEGIN TRY BACKUP DATABASE d TO DISK = '' END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH",
    );
    expect([answer.errors, answer.sets[0]?.rows]).toEqual([[], [[3013n]]]);
  });
});
