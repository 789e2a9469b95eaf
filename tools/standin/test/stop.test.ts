/** The orderly stop under load: whatever the sessions are in the middle of, the process ends by itself, in time, and with nothing lost. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { driverConfig, startInstance, type Instance } from './crash/instance.ts';
import { makeWorld, removeWorld } from './crash/template.ts';

let world: string;
const pools: mssql.ConnectionPool[] = [];

beforeEach(() => {
  world = makeWorld();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map(pool => pool.close()));
  removeWorld(world);
});

async function session(instance: Instance): Promise<mssql.ConnectionPool> {
  const pool = new mssql.ConnectionPool(driverConfig(instance.port));
  pool.on('error', () => undefined);
  pools.push(pool);
  return pool.connect();
}

/** Runs until it fails, over and over when `again`; the failure is the lost connection. */
async function keepBusy(instance: Instance, statement: (turn: number) => string, again = true): Promise<void> {
  const pool = await session(instance);
  const run = async (): Promise<void> => {
    for (let turn = 0; turn === 0 || again; turn += 1) await pool.request().batch(statement(turn));
  };
  ended.push(run().catch((failure: unknown) => failure));
}

const ended: Promise<unknown>[] = [];

/** The result ends what would not end by itself. */
async function load(instance: Instance): Promise<() => void> {
  await instance.run('CREATE DATABASE A');
  await instance.run('CREATE TABLE A.dbo.t (id int IDENTITY PRIMARY KEY, n int, v nvarchar(4000))');
  await instance.run(
    `DECLARE @i int = 0; WHILE @i < 300 BEGIN INSERT A.dbo.t (n, v) VALUES (0, REPLICATE(N'x', 3000)); SET @i = @i + 1; END`,
  );
  await instance.run(`BACKUP DATABASE A TO DISK = N'S:\\Backup\\a.bak'`);
  await (await session(instance)).request().batch('BEGIN TRAN; UPDATE A.dbo.t SET n = 1 WHERE id = 1');
  await keepBusy(instance, () => 'UPDATE A.dbo.t SET n = 2 WHERE id = 1', false);
  const applock = "EXEC sp_getapplock 'x', 'Exclusive', 'Session', -1";
  await (await session(instance)).request().batch(applock);
  await keepBusy(instance, () => applock, false);
  await keepBusy(instance, () => 'ALTER DATABASE A SET READ_ONLY', false);
  await keepBusy(instance, () => "WAITFOR DELAY '01:00:00'", false);
  await keepBusy(instance, turn => `BACKUP DATABASE A TO DISK = N'S:\\Backup\\f${turn}.bak' WITH STATS = 1`);
  await keepBusy(instance, turn => `BACKUP LOG A TO DISK = N'S:\\Backup\\l${turn}.bak' WITH STATS = 1`);
  const files = (turn: number): string =>
    `MOVE 'A' TO 'D:\\Data\\c${turn}.mdf', MOVE 'A_log' TO 'D:\\Data\\c${turn}.ldf'`;
  await keepBusy(instance, turn => `RESTORE DATABASE C${turn} FROM DISK = N'S:\\Backup\\a.bak' WITH ${files(turn)}`);
  await keepBusy(instance, () => 'DECLARE @i int = 0; WHILE 1 = 1 SET @i = @i + 1', false);
  for (let each = 0; each < 10; each += 1) await keepBusy(instance, () => `INSERT A.dbo.t (n) VALUES (3)`);
  // Half a PRELOGIN.
  const silent = connect(instance.port, '127.0.0.1').on('error', () => undefined);
  silent.write(Buffer.from('12010035', 'hex'));
  return stopReading(instance);
}

type Inner = {
  acquire(owner: object): Promise<{ readonly socket: { pause(): void; resume(): void } }>;
  release(connection: object): void;
};

/** A client that asks for more than fits on the way and reads none of it, until the result is called: the rest stays with the server. */
async function stopReading(instance: Instance): Promise<() => void> {
  const pool = await session(instance);
  const inner = pool as unknown as Inner;
  const connection = await inner.acquire({});
  connection.socket.pause();
  inner.release(connection);
  const much = 'SELECT a.v FROM A.dbo.t a WITH (NOLOCK) CROSS JOIN (SELECT TOP 20 id FROM A.dbo.t WITH (NOLOCK)) b';
  ended.push(
    pool
      .request()
      .batch(much)
      .catch((failure: unknown) => failure),
  );
  return () => {
    connection.socket.resume();
  };
}

it.each(['SIGTERM', 'the end of its parent'])(
  'ends in order on %s, in the middle of everything',
  async cause => {
    const parent = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const errors: string[] = [];
    const first = await startInstance(world, { parentPid: parent.pid ?? 0, errors });
    const readOn = await load(first);
    const running = `SELECT COUNT(*) AS n FROM sys.dm_exec_requests WHERE command IN ('BACKUP DATABASE', 'WAITFOR', 'UPDATE')`;
    while (Number((await first.rows(running))[0]?.['n']) < 3) await new Promise(resolve => setImmediate(resolve));
    if (cause === 'SIGTERM') expect(await first.stop()).toBe(0);
    else {
      parent.kill('SIGKILL');
      expect(await first.ended).toBe(0);
    }
    parent.kill('SIGKILL');
    readOn();
    await Promise.all(ended.splice(0));
    await first.kill();
    expect(errors).toEqual([]);
    const second = await startInstance(world);
    const [row] = await second.rows('SELECT MAX(n) AS n FROM A.dbo.t WHERE id = 1');
    expect(row).toEqual({ n: '0' });
    await second.kill();
  },
  60_000,
);
