import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireMarkName } from '@holdfast/domain/mark';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sql from 'mssql';
import {
  type Exclusive,
  LockLost,
  openExclusive,
  openServer,
  recover,
  restoreFull,
  restoreLog,
  restoreLogToMark,
  type SqlServer,
  SqlServerError,
  statements,
} from '../src/index.ts';
import {
  observeDatabase,
  observeFile,
  observeHeaders,
  observeMarkLog,
  observeMarks,
  observeServer,
} from '../src/observe.ts';
import { observeManagement } from '../src/observe-management.ts';
import { renderStatement } from '../src/render.ts';
import { allStatements } from '../src/statements.ts';
import { startTestServer, type TestServer, whyNoTestServer } from '../src/testing.ts';

const reason = whyNoTestServer(process.env);
const suite = reason === undefined ? describe : describe.skip;

const stamp = String(Date.now());
const database = `HoldfastChain${stamp}`;
const marks = [1, 2].map(n => requireMarkName(`BTS_2026_11_21_0${n}_00_00_${stamp.slice(-3)}`));
const [firstMark, secondMark] = [marks[0]!, marks[1]!];

const open = (server: TestServer, password = server.credentials.password) =>
  openServer({
    address: server.address,
    credentials: { ...server.credentials, password },
    applicationName: 'holdfast-suite',
    clock: Date.now,
  });

const ownLock = async (server: SqlServer, fencingToken: string, group = `suite-${stamp}`): Promise<Exclusive> => {
  const opened = await openExclusive(server, {
    group,
    fencingToken,
    purpose: { service: 'restore', operation: 'suite' },
    waitMs: 10_000,
  });
  if ('refused' in opened) throw new Error(opened.message);
  return opened;
};

suite(`a restore chain between two instances${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let primaryServer: TestServer;
  let standbyServer: TestServer;
  let primary: SqlServer;
  let standby: SqlServer;
  let source: sql.ConnectionPool;
  let majorVersion: number;
  let backups: string;
  const file = (name: string) => ({ path: `${backups}\\${database}_${name}.bak`, position: 1, checksum: false });
  const position = async () => (await observeDatabase(standby, database)).database?.redoStartLsn ?? null;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-sqlserver-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const standin = async (role: 'primary' | 'standby') => {
      const [state, data, share] = [join(folder, role), join(folder, `${role}-data`), join(folder, 'share')];
      for (const path of [state, data, share]) await mkdir(path, { recursive: true });
      const options = {
        name: `${role.toUpperCase()}\\BTS`,
        dataFolder: state,
        maps: { 'D:\\Data': data, '\\\\backup\\bts': share },
      };
      return startTestServer(role, options, process.env);
    };
    primaryServer = await standin('primary');
    closers.push(() => primaryServer.close());
    standbyServer = await standin('standby');
    closers.push(() => standbyServer.close());
    primary = await open(primaryServer);
    closers.push(() => primary.close());
    standby = await open(standbyServer);
    closers.push(() => standby.close());
    majorVersion = (await observeServer(primary)).majorVersion;
    // Two real servers share a folder that only their operator knows.
    backups = primaryServer.real ? (process.env['SQLSERVER_SHARED_FOLDER'] ?? '') : '\\\\backup\\bts';
    const { server, port, encrypt, trustServerCertificate } = primaryServer.address;
    source = await new sql.ConnectionPool({
      server,
      ...(port === null ? {} : { port }),
      ...primaryServer.credentials,
      database: 'master',
      requestTimeout: 0,
      options: { encrypt, trustServerCertificate },
    }).connect();
    closers.push(() => source.close());
    const run = (text: string) => source.request().batch(text);
    const data = primaryServer.real
      ? ((await observeServer(primary)).defaultDataPath ?? '').replace(/\\$/, '')
      : 'D:\\Data';
    await run(
      `CREATE DATABASE [${database}] ON (NAME = N'd', FILENAME = N'${data}\\${database}.mdf') LOG ON (NAME = N'l', FILENAME = N'${data}\\${database}.ldf')`,
    );
    await run(`CREATE TABLE [${database}].dbo.MarkLog (MarkName nvarchar(128) NOT NULL)`);
    await run(`BACKUP DATABASE [${database}] TO DISK = N'${file('full').path}'`);
    for (const [index, mark] of marks.entries()) {
      await run(
        `DECLARE @m nvarchar(32) = N'${mark}'; BEGIN TRAN @m WITH MARK; INSERT [${database}].dbo.MarkLog (MarkName) VALUES (@m); COMMIT;`,
      );
      await run(`BACKUP LOG [${database}] TO DISK = N'${file(`log${index + 1}`).path}'`);
    }
  }, 120_000);

  afterAll(async () => {
    // Whatever beforeAll had opened when it failed, newest first.
    for (const close of closers.reverse()) await close();
  }, 60_000);

  it('names a wrong password, and never shows it', async () => {
    const failure = await open(primaryServer, 'wr0ng-password').catch((error: unknown) => error);
    // The driver keeps the text of a login failure and drops its number (18456).
    expect(failure).toMatchObject({ errorClass: 'login', code: 'ELOGIN' });
    expect(String(failure)).not.toContain('wr0ng-password');
  });

  it('reads facts, files and headers, with whole LSNs', async () => {
    expect(await observeFile(primary, { path: file('log1').path, majorVersion })).toMatchObject({
      exists: true,
      isFolder: false,
    });
    const missing = `${backups}\\none.bak`;
    expect(await observeFile(primary, { path: missing, majorVersion })).toMatchObject({
      exists: false,
      folderExists: true,
    });
    await expect(observeHeaders(primary, { path: missing, majorVersion })).rejects.toMatchObject({
      errorClass: 'media',
      number: 3201,
    });
    const [full] = (await observeHeaders(standby, { path: file('full').path, majorVersion })).headers;
    expect(full).toMatchObject({
      backupType: 1,
      position: 1,
      databaseName: database,
      isCopyOnly: false,
      hasChecksums: false,
    });
    const [log] = (await observeHeaders(standby, { path: file('log1').path, majorVersion })).headers;
    const [mark] = (await observeMarks(primary, [firstMark])).marks;
    expect(mark).toMatchObject({ databaseName: database, markName: firstMark, markedAt: { basis: 'LOCAL' } });
    expect(BigInt(mark!.lsn)).toBeGreaterThanOrEqual(BigInt(log!.firstLsn));
    expect(BigInt(mark!.lsn)).toBeLessThan(BigInt(log!.lastLsn));
  });

  it('refuses a database that is not a Management database, naming what is missing', async () => {
    expect(await observeManagement(primary, database)).toMatchObject({
      refused: 'NotAManagementDatabase',
      missing: expect.arrayContaining(['adm_Group', 'admv_BackupDatabases']),
    });
    expect(await observeManagement(primary, 'NoSuchDatabase')).toMatchObject({ missing: ['NoSuchDatabase'] });
  });

  it('restores, stops at a mark, goes on with the same file, misses a mark loudly, and recovers once', async () => {
    const exclusive = await ownLock(standby, '1');
    const percents: number[] = [];
    const full = await restoreFull(exclusive, { database, source: file('full'), replace: false }, p =>
      percents.push(p),
    );
    expect(full.outcome).toBe('RESTORED');
    expect(full.figures).not.toBeNull();
    expect(percents.at(-1)).toBe(100);
    const [header] = (await observeHeaders(standby, { path: file('full').path, majorVersion })).headers;
    expect(await position()).toBe(header?.lastLsn);
    expect((await observeDatabase(standby, database)).database).toMatchObject({ state: 'RESTORING' });

    const [mark] = (await observeMarks(primary, [firstMark])).marks;
    expect((await restoreLogToMark(exclusive, { database, source: file('log1'), mark: firstMark })).outcome).toBe(
      'STOPPED',
    );
    expect(await position()).toBe(String(BigInt(mark!.lsn) + 1n));

    const [log1] = (await observeHeaders(standby, { path: file('log1').path, majorVersion })).headers;
    expect((await restoreLog(exclusive, { database, source: file('log1') })).outcome).toBe('RESTORED');
    expect(await position()).toBe(log1?.lastLsn);

    const missed = await restoreLogToMark(exclusive, {
      database,
      source: file('log2'),
      mark: requireMarkName('BTS_none'),
    });
    expect(missed.outcome).toBe('MARK_NOT_REACHED');
    expect((await observeDatabase(standby, database)).database).toMatchObject({ state: 'RESTORING' });
    expect(await restoreLog(exclusive, { database, source: file('log1') })).toMatchObject({
      outcome: 'ALREADY_APPLIED',
    });

    expect((await recover(exclusive, { database })).outcome).toBe('RECOVERED');
    expect((await recover(exclusive, { database })).outcome).toBe('ALREADY_RECOVERED');
    expect(await observeMarkLog(standby, { database, mark: firstMark })).toMatchObject({
      holdsMark: true,
      newest: [secondMark, firstMark],
    });
    await expect(restoreLog(exclusive, { database, source: file('log2') })).rejects.toMatchObject({
      number: 3117,
      errorClass: 'state',
    });
    await exclusive.release();
  }, 60_000);

  it('lets one session at a time work on a group, and ends the older leader', async () => {
    const group = `lock-${stamp}`;
    const old = await ownLock(standby, '9', group);
    const same = await openExclusive(standby, {
      group,
      fencingToken: '9',
      purpose: { service: 'restore', operation: 'suite' },
      waitMs: 200,
    });
    expect(same).toMatchObject({ refused: 'LockHeld', holders: [{ service: 'restore' }] });
    const young = await ownLock(standby, '10', group);
    await expect(old.run(statements.setOnline, { database })).rejects.toMatchObject({ errorClass: 'lost' });
    await expect(old.run(statements.setOnline, { database })).rejects.toThrow(LockLost);
    const late = await openExclusive(standby, {
      group,
      fencingToken: '9',
      purpose: { service: 'restore', operation: 'suite' },
      waitMs: 200,
    });
    expect(late).toMatchObject({ refused: 'Superseded' });
    await old.release();
    const beside = await young.beside();
    if ('refused' in beside) throw new Error(beside.message);
    const youngest = await ownLock(standby, '11', group);
    await expect(beside.run(statements.setOnline, { database })).rejects.toMatchObject({ errorClass: 'lost' });
    await young.release();
    await youngest.release();
    const next = await ownLock(standby, '11', group);
    await next.release();
  }, 60_000);

  it('answers every reading statement of the catalogue, or says by number why not', async () => {
    for (const statement of allStatements.filter(s => s.repeat === 'same' && Object.keys(s.columns).length > 0)) {
      // What the example names need not exist here; what must not happen is a statement that the server cannot parse.
      const outcome = await source
        .request()
        .batch(renderStatement(statement))
        .catch((error: unknown) => error);
      const numbers = outcome instanceof sql.RequestError ? [outcome.number ?? 0] : [];
      expect({
        statement: statement.name,
        refusedAs: numbers.filter(n => [102, 105, 137, 156, 207, 213, 2812, 50_000].includes(n)),
      }).toEqual({
        statement: statement.name,
        refusedAs: [],
      });
    }
  }, 60_000);

  it('loses the lock with its server, and says so from then on', async () => {
    if (primaryServer.pid === null) return;
    const exclusive = await ownLock(primary, '1', `lost-${stamp}`);
    await primaryServer.close();
    await expect(exclusive.run(statements.setOnline, { database })).rejects.toBeInstanceOf(SqlServerError);
    await expect(exclusive.run(statements.setOnline, { database })).rejects.toThrow(LockLost);
    await exclusive.release();
  }, 60_000);
});
