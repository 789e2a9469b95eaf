import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { password, startInstance, statistics, type Instance } from './instance.ts';
import { describeWith } from './packages.ts';
import { startPythonClient, type Answer } from './python-client.ts';
import { tsql } from './tsql.ts';

const account = 'CONTOSO\\svc-holdfast';
const who = `SELECT SUSER_SNAME() AS name, IS_SRVROLEMEMBER('sysadmin') AS admin, IS_SRVROLEMEMBER('dbcreator') AS creator,
  (SELECT type_desc FROM sys.server_principals WHERE sid = SUSER_SID()) AS kind`;
const untrusted = /untrusted domain/;
const legacyProvider = `openssl_conf = init
[init]
providers = providers
[providers]
default = on
legacy = on
[on]
activate = 1
`;

let instance: Instance;

beforeAll(async () => {
  instance = await startInstance([
    { name: account, roles: ['dbcreator'], windows: true },
    { name: 'plain', roles: [] },
  ]);
});

afterAll(async () => {
  expect(await statistics(instance)).toMatchObject({ broken: 0, sessions: 0 });
  expect(await instance.stop()).toBe(0);
});

async function byDriver(more: object = {}, tls: object = { encrypt: false }): Promise<unknown> {
  const pool = new mssql.ConnectionPool({
    server: '127.0.0.1',
    port: instance.port,
    domain: 'CONTOSO',
    user: 'svc-holdfast',
    password,
    options: { trustServerCertificate: true, ...tls },
    ...more,
  });
  try {
    await pool.connect();
    return (await pool.request().query(who)).recordset[0];
  } catch (error) {
    return (error as Error).message;
  } finally {
    await pool.close();
  }
}

describe('a Windows account through the driver', () => {
  const itself = { name: account, admin: 0, creator: 1, kind: 'WINDOWS_LOGIN' };

  it('logs in, in clear and encrypted, whatever the case of its name', async () => {
    expect(await byDriver()).toEqual(itself);
    expect(await byDriver({ domain: 'contoso', user: 'SVC-Holdfast' }, { encrypt: true })).toEqual(itself);
  });

  it.each([
    ['another password', { password: 'no' }],
    ['another domain', { domain: 'FABRIKAM' }],
    ['an unknown account', { user: 'nobody' }],
    ['a login of SQL Server', { user: 'plain' }],
  ])('is refused with %s', async (_, more) => {
    expect(await byDriver(more)).toMatch(untrusted);
  });

  it('is refused by its password in clear, and the database that it cannot open', async () => {
    expect(await byDriver({ domain: undefined, user: account })).toBe(`Login failed for user '${account}'.`);
    expect(await byDriver({ database: 'nowhere' })).toMatch(/Cannot open database "nowhere"|Login failed/);
  });

  it('leaves no password in the log', () => {
    const log = readFileSync(join(instance.scratch, '../data/log/statements.jsonl'), 'utf8');
    expect([log.includes('SUSER_SNAME'), log.includes(password)]).toEqual([true, false]);
  });
});

describeWith(['tsql'], 'a Windows account through FreeTDS', () => {
  const speak = (
    user: string,
    more: object = {},
  ): Promise<{ readonly rows: readonly string[]; readonly messages: readonly string[] }> =>
    tsql({ ...instance, user, ...more }, [who]);

  it.each(['off', 'require'])('logs in with encryption %s', async encryption => {
    const { rows } = await speak(account, { encryption });
    expect(rows).toEqual(['name|admin|creator|kind', `${account}|0|1|WINDOWS_LOGIN`]);
  });

  it.each([
    ['another password', account, 'no'],
    ['another domain', 'FABRIKAM\\svc-holdfast', password],
    ['an unknown account', 'CONTOSO\\nobody', password],
  ])('is refused with %s', async (_, user, given) => {
    const { rows, messages } = await speak(user, { password: given });
    expect([rows, messages]).toEqual([[], [expect.stringMatching(/^18452\/14\/1 1 .*untrusted domain/)]]);
  });
});

describeWith(['pytds', 'ntlm_auth'], 'a Windows account through pytds', python => {
  const login = async (ntlm: number, given: string): Promise<[Answer, Answer]> => {
    // Its NTLM wants MD4 of OpenSSL, which has that in a provider of its own.
    const file = join(instance.scratch, 'openssl.cnf');
    writeFileSync(file, legacyProvider);
    const py = startPythonClient(python, 'pytds', { OPENSSL_CONF: file });
    const common = { op: 'connect', as: 'c', port: instance.port, autocommit: true, ntlm };
    const connected = await py.ask({ ...common, user: account, password: given });
    const answer = await py.ask({ op: 'run', on: 'c', sql: who });
    await py.end();
    return [connected, answer];
  };

  it('logs in with NTLMv2 and a MIC', async () => {
    const [connected, { sets }] = await login(3, password);
    expect([connected, sets?.[0]?.rows]).toEqual([{}, [[account, '0', '1', 'WINDOWS_LOGIN']]]);
  });

  it('is refused with another password, and with NTLM of the first version', async () => {
    for (const [ntlm, given] of [
      [3, 'no'],
      [2, password],
    ] as const)
      expect((await login(ntlm, given))[0].error).toMatchObject({ number: 18452 });
  });
});
