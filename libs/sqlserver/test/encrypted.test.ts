import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sql from 'mssql';
import { type Address, openExclusive, openServer, statements } from '../src/index.ts';
import { startTestServer, type TestServer, whyNoTestServer } from '../src/testing.ts';

const reason = whyNoTestServer(process.env);
const suite = reason === undefined ? describe : describe.skip;
const onStandIn = process.env['SQLSERVER_URL'] === undefined ? it : it.skip;

suite(`over TLS${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let server: TestServer;
  let certificate: string;

  const trusting = (): Address => ({ ...server.address, encrypt: true, trustServerCertificate: true });
  const open = (address: Address) =>
    openServer({ address, credentials: server.credentials, applicationName: 'holdfast-suite', clock: Date.now });

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-encrypted-'));
    closers.push(() => rm(folder, { recursive: true, force: true }));
    const dataFolder = join(folder, 'instance');
    await mkdir(dataFolder);
    certificate = join(dataFolder, 'tls', 'certificate.pem');
    const options = { name: 'PRIMARY\\BTS', dataFolder, maps: {}, forceEncryption: true };
    server = await startTestServer('primary', options, process.env);
    closers.push(() => server.close());
  }, 60_000);

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  }, 60_000);

  it('observes, holds the lock and runs statements', async () => {
    const opened = await open(trusting());
    try {
      expect((await opened.query(statements.connectionEncryption, {}))[0]).toEqual({ encryptOption: 'TRUE' });
      const request = {
        group: `suite-${Date.now()}`,
        fencingToken: '1',
        purpose: { service: 'restore', operation: 'suite' },
        waitMs: 10_000,
      } as const;
      const exclusive = await openExclusive(opened, request);
      if ('refused' in exclusive) throw new Error(exclusive.message);
      expect(exclusive.holds()).toBe(true);
      expect(await openExclusive(opened, { ...request, waitMs: 100 })).toMatchObject({ refused: expect.any(String) });
      await exclusive.release();
    } finally {
      await opened.close();
    }
  });

  it('commits and rolls back', async () => {
    const { server: host, port, encrypt, trustServerCertificate } = trusting();
    const pool = await new sql.ConnectionPool({
      server: host,
      ...(port === null ? {} : { port }),
      ...server.credentials,
      database: 'tempdb',
      options: { encrypt, trustServerCertificate },
    }).connect();
    const table = `##suite${Date.now()}`;
    await pool.request().batch(`CREATE TABLE ${table} (id int)`);
    for (const [id, end] of [
      [1, 'commit'],
      [2, 'rollback'],
    ] as const) {
      const transaction = new sql.Transaction(pool);
      await transaction.begin();
      await new sql.Request(transaction).input('id', sql.Int, id).query(`INSERT ${table} VALUES (@id)`);
      await transaction[end]();
    }
    expect((await pool.request().query(`SELECT id FROM ${table}`)).recordset).toEqual([{ id: 1 }]);
    await pool.close();
  });

  onStandIn('refuses a certificate that nobody vouches for, and says what to do', async () => {
    await expect(open(server.address)).rejects.toMatchObject({
      errorClass: 'login',
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      message: expect.stringContaining(`The certificate of 127.0.0.1:${server.address.port} is not trusted`),
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });

  onStandIn('is told when the server demands what the address does not have', async () => {
    await expect(open({ ...server.address, encrypt: false })).rejects.toMatchObject({
      errorClass: 'login',
      code: 'EENCRYPT',
      hint: expect.stringContaining('the encryption that it demands'),
    });
  });

  onStandIn('trusts what NODE_EXTRA_CA_CERTS names', async () => {
    const { address, credentials } = server;
    const program = fileURLToPath(new URL('print-server-name.ts', import.meta.url));
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, [program, JSON.stringify({ address, credentials })], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificate },
    });
    expect(stdout.trim()).toBe('PRIMARY\\BTS');
  });
});
