import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { standinMain } from './standin-main.ts';
import { until } from './tiny-server.ts';

const children: ChildProcess[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'standin-process-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await exited(child);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

type Ready = { readonly name: string; readonly port: number; readonly controlPort: number; readonly pid: number };

function run(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const data = args.includes('--data') ? [] : ['--data', join(folder, 'data')];
  const given = [...data, '--name', 'P\\ONE', '--map', `D:\\Backup=${folder}`, ...args];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', standinMain, ...given], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, STANDIN_PASSWORD: 'secret', STANDIN_PARENT_PID: String(process.pid), ...env },
  });
  children.push(child);
  return child;
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

async function ready(child: ChildProcess): Promise<Ready> {
  let text = '';
  const complaints = textOf(child.stderr);
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes('\n')) return JSON.parse(text) as Ready;
  }
  throw new Error(`not ready: ${await complaints}`);
}

function exited(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise(resolve => child.once('exit', resolve));
}

function connect(port: number, tls: object = { encrypt: false }): Promise<mssql.ConnectionPool> {
  const options = { trustServerCertificate: true, ...tls };
  return new mssql.ConnectionPool({ server: '127.0.0.1', port, user: 'sa', password: 'secret', options }).connect();
}

describe('an instance', () => {
  it('tells when it is ready, answers, and stops in order', async () => {
    const child = run();
    const { name, port, controlPort, pid } = await ready(child);
    expect([name, pid]).toEqual(['P\\ONE', child.pid]);
    const pool = await connect(port);
    const { recordset } = await pool.request().query('SELECT @@SERVERNAME AS name');
    expect(recordset).toEqual([{ name: 'P\\ONE' }]);
    const statistics: unknown = await (await fetch(`http://127.0.0.1:${controlPort}/statistics`)).json();
    expect(statistics).toMatchObject({ unsupported: 0, broken: 0, sessions: 1 });
    child.kill('SIGTERM');
    expect(await exited(child)).toBe(0);
    await pool.close();
    const log = readFileSync(join(folder, 'data', 'log', 'statements.jsonl'), 'utf8');
    expect(log).toMatch(/@@SERVERNAME/);
  });

  it('shows the time of this machine: what it dates comes after what caused it', async () => {
    const pool = await connect((await ready(run())).port);
    const before = new Date();
    const { recordset } = await pool.request().query<{ at: Date }>('SELECT SYSUTCDATETIME() AS at');
    const [shown] = recordset.map(({ at }) => at.getTime());
    expect(shown).toBeGreaterThanOrEqual(before.getTime());
    expect(shown).toBeLessThanOrEqual(Date.now());
    await pool.close();
  });

  it('keeps what was committed through kill -9, and nothing else', async () => {
    const first = run();
    const before = await connect((await ready(first)).port);
    await before.request().batch('CREATE DATABASE A');
    await before.request().batch('CREATE TABLE A.dbo.t (id int PRIMARY KEY)');
    await before.request().batch('INSERT A.dbo.t VALUES (1)');
    await before.request().batch('BEGIN TRAN; INSERT A.dbo.t VALUES (2)');
    first.kill('SIGKILL');
    await exited(first);
    await before.close();
    const after = await connect((await ready(run())).port);
    const { recordset } = await after.request().query('SELECT id FROM A.dbo.t');
    expect(recordset).toEqual([{ id: 1 }]);
    await after.close();
  });

  it('ends when its parent is gone', async () => {
    const parent = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    children.push(parent);
    const child = run([], { STANDIN_PARENT_PID: String(parent.pid) });
    await ready(child);
    parent.kill('SIGKILL');
    expect(await exited(child)).toBe(0);
  });

  it('says that its port is taken', async () => {
    const taken = createServer();
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const child = run(['--port', String(port)]);
    expect(await textOf(child.stderr)).toBe(
      `Port ${port} of 127.0.0.1 is taken: end what listens there, or give another port (0 takes a free one).\n`,
    );
    expect(await exited(child)).toBe(1);
    taken.close();
  });

  it('refuses a folder in which another instance runs, by whatever name, and takes one whose instance died', async () => {
    const first = run();
    const { port } = await ready(first);
    const data = join(folder, 'data');
    const link = join(folder, 'link');
    symlinkSync(data, link);
    for (const args of [[], ['--data', link]]) {
      const second = run(args);
      expect(await textOf(second.stderr)).toBe(
        `data: an instance runs in ${args[1] ?? data} already: end it, or give another folder\n`,
      );
      expect(await exited(second)).toBe(1);
    }
    await (await connect(port)).close();
    first.kill('SIGKILL');
    await exited(first);
    await ready(run());
  });

  it('says that its folder is a file', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const child = run(['--data', file]);
    expect(await textOf(child.stderr)).toMatch(/^data: (?:EEXIST|ENOTDIR): .*\n$/);
    expect(await exited(child)).toBe(1);
  });

  it('refuses to let everybody in: an empty password', async () => {
    const empty = join(folder, 'empty.txt');
    writeFileSync(empty, '\n');
    for (const [args, env] of [
      [[], { STANDIN_PASSWORD: '' }],
      [['--password-file', empty], {}],
    ] as const) {
      const child = run(args, env);
      expect(await textOf(child.stderr)).toBe('the password of sa is empty\n');
      expect(await exited(child)).toBe(1);
    }
  });

  it('makes its certificate once, and lets nobody in who does not encrypt where that is forced', async () => {
    const first = run(['--force-encryption']);
    const { port } = await ready(first);
    await expect(connect(port)).rejects.toMatchObject({ message: expect.stringMatching(/Server requires encryption/) });
    const file = join(folder, 'data', 'tls', 'certificate.pem');
    const tls = { encrypt: true, trustServerCertificate: false, cryptoCredentialsDetails: { ca: readFileSync(file) } };
    const pool = await connect(port, tls);
    const { recordset } = await pool
      .request()
      .query('SELECT encrypt_option AS encrypted FROM sys.dm_exec_connections WHERE session_id = @@SPID');
    expect(recordset).toEqual([{ encrypted: 'TRUE' }]);
    first.kill('SIGKILL');
    await exited(first);
    await pool.close();
    // Who trusted the certificate still does.
    await (await connect((await ready(run())).port, tls)).close();
  });

  it('says what is wrong with its command line', async () => {
    const child = run(['--version', '9', '--tls-cert', join(folder, 'none.pem')]);
    expect(await textOf(child.stderr)).toBe(
      'version must be 2016, 2017, 2019, 2022, 2025 or 13 to 17\ntls-cert and tls-key are given together or not at all\n',
    );
    expect(await exited(child)).toBe(1);
  });
});

describe('two instances', () => {
  it('of which one restores the backups of the other to a mark', async () => {
    const [primary, standby] = await Promise.all(
      ['primary', 'standby'].map(async name => connect((await ready(run(['--data', join(folder, name)]))).port)),
    );
    if (!primary || !standby) throw new Error('two were started');
    const rows = async (): Promise<unknown> =>
      (await standby.request().query('SELECT id FROM A.dbo.t ORDER BY id')).recordset;
    const file = (name: string): string => `DISK = N'D:\\Backup\\${name}.bak'`;
    await primary.request().batch('CREATE DATABASE A; CREATE TABLE A.dbo.t (id int PRIMARY KEY)');
    await primary.request().batch(`INSERT A.dbo.t VALUES (1); BACKUP DATABASE A TO ${file('full')}`);
    await primary
      .request()
      .batch('BEGIN TRAN m WITH MARK; INSERT A.dbo.t VALUES (2); COMMIT; INSERT A.dbo.t VALUES (3)');
    await primary.request().batch(`BACKUP LOG A TO ${file('log')}`);
    await standby.request().batch(`RESTORE DATABASE A FROM ${file('full')} WITH NORECOVERY`);
    await expect(rows()).rejects.toMatchObject({ number: 927 });
    await standby.request().batch(`RESTORE LOG A FROM ${file('log')} WITH NORECOVERY, STOPATMARK = 'm'`);
    await standby.request().batch('RESTORE DATABASE A WITH RECOVERY');
    expect(await rows()).toEqual([{ id: 1 }, { id: 2 }]);
    await primary.close();
    await standby.close();
  });
});

describe('through the driver', () => {
  it('prepares once and runs often', async () => {
    const pool = await connect((await ready(run())).port);
    const statement = new mssql.PreparedStatement(pool);
    statement.input('a', mssql.Int).input('t', mssql.NVarChar(20));
    await statement.prepare('SELECT @a * 2 AS n, @t AS t');
    for (const a of [1, 2, 3]) {
      const { recordset } = await statement.execute({ a, t: `λ${a}` });
      expect(recordset).toEqual([{ n: a * 2, t: `λ${a}` }]);
    }
    await statement.unprepare();
    await pool.close();
  });

  it.each([
    ['in clear', false],
    ['over TLS', true],
  ])('commits and rolls back by transaction requests, %s', async (_name, encrypt) => {
    const pool = await connect((await ready(run())).port, { encrypt });
    await pool.request().batch('CREATE DATABASE A');
    await pool.request().batch('CREATE TABLE A.dbo.t (id int)');
    for (const [id, end] of [
      [1, 'commit'],
      [2, 'rollback'],
    ] as const) {
      const transaction = new mssql.Transaction(pool);
      await transaction.begin();
      await new mssql.Request(transaction).input('id', mssql.Int, id).query('INSERT A.dbo.t VALUES (@id)');
      await transaction[end]();
    }
    expect((await pool.request().query('SELECT id FROM A.dbo.t')).recordset).toEqual([{ id: 1 }]);
    await pool.close();
  });

  it('cancels a statement that waits, and the waiting ends', async () => {
    const { port } = await ready(run());
    const pool = await connect(port);
    const request = pool.request();
    const finished = request.batch("WAITFOR DELAY '00:01:00'").catch((error: unknown) => error);
    const watcher = await connect(port);
    const running = async (): Promise<number> =>
      (await watcher.request().query('SELECT session_id FROM sys.dm_exec_requests WHERE session_id <> @@SPID'))
        .recordset.length;
    while ((await running()) === 0) await new Promise(resolve => setTimeout(resolve, 10));
    request.cancel();
    expect(await finished).toMatchObject({ code: 'ECANCEL' });
    expect(await running()).toBe(0);
    expect((await pool.request().query('SELECT 1 AS n')).recordset).toEqual([{ n: 1 }]);
    await pool.close();
    await watcher.close();
  });

  it('starts a session afresh on RESETCONNECTION', async () => {
    const pool = await connect((await ready(run())).port);
    await pool.request().batch('CREATE DATABASE A; CREATE TABLE A.dbo.t (id int)');
    await pool
      .request()
      .batch('USE A; CREATE TABLE #mine (id int); SET XACT_ABORT ON; BEGIN TRAN; INSERT t VALUES (1)');
    type Resettable = { reset(done: (error?: Error) => void): void };
    type Inner = { acquire(owner: object): Promise<Resettable>; release(connection: Resettable): void };
    const inner = pool as unknown as Inner;
    const connection = await inner.acquire({});
    await new Promise<void>((resolve, reject) => connection.reset(error => (error ? reject(error) : resolve())));
    inner.release(connection);
    const { recordset } = await pool
      .request()
      .query(
        "SELECT DB_NAME() AS db, @@TRANCOUNT AS n, OBJECT_ID('tempdb..#mine') AS mine, (SELECT COUNT(*) FROM A.dbo.t) AS r",
      );
    expect(recordset).toEqual([{ db: 'master', n: 0, mine: null, r: 0 }]);
    await pool.close();
  });

  it('undoes the transaction of a dropped connection', async () => {
    const { port } = await ready(run());
    const watcher = await connect(port);
    await watcher.request().batch('CREATE DATABASE A');
    await watcher.request().batch('CREATE TABLE A.dbo.t (id int)');
    const pool = await connect(port);
    await pool.request().batch('BEGIN TRAN; INSERT A.dbo.t VALUES (1)');
    await pool.close();
    // Waits for the lock that goes with the session.
    expect((await watcher.request().query('SELECT COUNT(*) AS n FROM A.dbo.t')).recordset).toEqual([{ n: 0 }]);
    await watcher.close();
  });

  it('serves fifty connections that write at once', async () => {
    const { port } = await ready(run());
    const pool = await new mssql.ConnectionPool({
      server: '127.0.0.1',
      port,
      user: 'sa',
      password: 'secret',
      options: { encrypt: false, trustServerCertificate: true },
      pool: { max: 50, min: 50 },
    }).connect();
    await pool.request().batch('CREATE DATABASE A');
    await pool.request().batch('CREATE TABLE A.dbo.t (id int PRIMARY KEY)');
    await Promise.all(
      Array.from({ length: 500 }, (_, id) =>
        pool.request().input('id', mssql.Int, id).query('INSERT A.dbo.t VALUES (@id)'),
      ),
    );
    const { recordset } = await pool.request().query('SELECT COUNT(*) AS n, SUM(id) AS s FROM A.dbo.t');
    expect(recordset).toEqual([{ n: 500, s: (500 * 499) / 2 }]);
    await pool.close();
  });

  it('shows the progress of a backup while it runs', async () => {
    const pool = await connect((await ready(run())).port);
    await pool.request().batch('CREATE DATABASE A');
    const request = pool.request();
    const seen: number[] = [];
    request.on('info', (info: { number: number }) => void seen.push(info.number));
    await request.batch("BACKUP DATABASE A TO DISK = 'D:\\Backup\\a.bak' WITH STATS = 10");
    expect(seen.filter(number => number === 3211).length).toBeGreaterThan(0);
    expect(seen.filter(number => number !== 3211)).toEqual([4035, 4035, 3014]);
    await until(() => seen.at(-1) === 3014);
    await pool.close();
  });
});
