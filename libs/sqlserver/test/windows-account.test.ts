import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openServer, SqlServerError, statements } from '../src/index.ts';
import { startTestServer, type TestServer } from '../src/testing.ts';

// A real server would need a domain for it.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-windows-account-'));
  const options = { name: 'PRIMARY', dataFolder: folder, maps: {}, login: 'CONTOSO\\svc-holdfast' };
  server = await startTestServer('primary', options, env);
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const open = (change: object = {}) =>
  openServer({
    address: server.address,
    credentials: { ...server.credentials, ...change },
    applicationName: 'holdfast-test',
    clock: Date.now,
  });

describe('a Windows account', () => {
  it('logs in with its password, on connections of its own too', async () => {
    const opened = await open();
    const connection = await opened.dedicated('holdfast-test 1');
    const [pooled] = await opened.query(statements.serverFacts, {});
    const { rows } = await connection.send(statements.serverFacts, {});
    await connection.close();
    await opened.close();
    expect([pooled?.serverName, rows[0]?.serverName]).toEqual(['PRIMARY', 'PRIMARY']);
  });

  it.each([
    ['a wrong password', { password: 'not the password' }],
    ['another domain', { user: 'FABRIKAM\\svc-holdfast' }],
    ['an account that is no login there', { user: 'CONTOSO\\somebody' }],
    ['its name as a SQL login', { user: 'svc-holdfast' }],
  ])('is refused as a login: %s', async (_what, change) => {
    const failure = await open(change).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SqlServerError);
    expect(failure).toMatchObject({ errorClass: 'login' });
    expect(String(failure)).not.toContain(server.credentials.password);
  });
});
