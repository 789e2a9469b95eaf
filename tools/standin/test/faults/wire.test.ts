/** Faults of connections and of the clock, over TDS and the control port. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startInstance, type Client, type WireBench } from './instance.ts';

let bench: WireBench;
/** Opened before anything is wrong. */
let observer: Client;

beforeAll(async () => {
  bench = await startInstance();
  observer = await bench.connect();
  await observer.ask('CREATE DATABASE D');
  await observer.ask('CREATE TABLE D.dbo.t (id int NOT NULL IDENTITY PRIMARY KEY, v nvarchar(100))');
});
afterAll(() => bench.end());

const post = async (path: string, body: unknown): Promise<unknown> =>
  (await fetch(`${bench.control}${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
const set = async (name: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<void> => {
  expect(await post('/faults', { name, parameters })).toMatchObject({ name, set: parameters });
};
const clear = async (name: string): Promise<void> => {
  const response = await fetch(`${bench.control}/faults/${name}`, { method: 'DELETE' });
  expect(await response.json()).toMatchObject({ name, set: null });
};

/** The driver's codes for a connection that went away under a request. */
const lost = /^(ESOCKET|ECONNCLOSED|ECONNRESET|EINVALIDSTATE)$/;

/** `ok`, or the driver's code. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (failure) {
    return (failure as { code?: string }).code ?? String(failure);
  }
}

/** Connects, asks one thing, and goes. */
async function visit(timeoutMs = 60_000): Promise<void> {
  const client = await bench.connect({ timeoutMs });
  expect(await client.ask('SELECT 1 AS one')).toEqual([1]);
  await client.close();
}

describe('a connection', () => {
  it.each([
    ['login-refused', { login: 'SA' }, 'ELOGIN'],
    ['connection-reset', {}, 'ESOCKET'],
    ['connection-stalled', {}, 'ETIMEOUT'],
    ['login-delayed', { ms: 3_600_000 }, 'ETIMEOUT'],
    ['cut-after-bytes', { bytes: 60 }, 'ESOCKET'],
  ] as const)('%s', async (name, parameters, code) => {
    expect(await outcome(visit())).toBe('ok');
    await set(name, { ...parameters, times: 1 });
    expect(await outcome(visit(code === 'ETIMEOUT' ? 700 : undefined))).toBe(code);
    expect(await bench.isSet(name)).toBe(false);
    expect(await outcome(visit())).toBe('ok');
    await set(name, parameters);
    expect(await outcome(visit(code === 'ETIMEOUT' ? 700 : undefined))).toBe(code);
    // Who is connected stays so.
    expect(await observer.ask('SELECT 2 AS two')).toEqual([2]);
    await clear(name);
    expect(await outcome(visit())).toBe('ok');
  });

  it('connection-refused: nobody listens, and again somebody does, on the same port', async () => {
    for (let round = 0; round < 2; round += 1) {
      await set('connection-refused');
      await set('connection-refused');
      expect(await outcome(visit())).toBe('ESOCKET');
      expect(await observer.ask('SELECT 2 AS two')).toEqual([2]);
      await clear('connection-refused');
      expect(await outcome(visit())).toBe('ok');
    }
  });

  it('login-refused spares other logins', async () => {
    await set('login-refused', { login: 'holdfast*' });
    expect(await outcome(visit())).toBe('ok');
    await clear('login-refused');
  });

  it('cut-after-bytes lets a session work until its bytes are used up', async () => {
    // Without `times`: the driver's pool opens a connection to try and then the one that is used.
    await set('cut-after-bytes', { bytes: 20_000 });
    const client = await bench.connect();
    expect(await client.ask('SELECT 1 AS one')).toEqual([1]);
    const large = "SELECT REPLICATE(CONVERT(nvarchar(max), N'x'), 40000) AS v";
    await expect(client.ask(large)).rejects.toThrow(/ECONNRESET|closed|lost/i);
    await clear('cut-after-bytes');
    expect(String((await observer.ask(large))[0])).toHaveLength(40_000);
  });

  it('slow-bytes hands everything over, slowly, and fast again when it is cleared', async () => {
    await set('slow-bytes', { bytesPerSecond: 100_000 });
    const slow = await bench.connect();
    const large = "SELECT REPLICATE(CONVERT(nvarchar(max), N'x'), 20000) AS v";
    const startedAt = performance.now();
    expect(String((await slow.ask(large))[0])).toHaveLength(20_000);
    expect(performance.now() - startedAt).toBeGreaterThan(300);
    await set('slow-bytes', { bytesPerSecond: 1 });
    const never = slow.ask(large);
    await clear('slow-bytes');
    expect(String((await never)[0])).toHaveLength(20_000);
    await slow.close();
  });
});

describe('a request', () => {
  it('slow-statement makes it wait, and a cancel reaches it', async () => {
    await set('slow-statement', { statement: '*sleepy*', ms: 3_600_000 });
    const client = await bench.connect({ timeoutMs: 700 });
    expect(await outcome(client.ask('SELECT 1 AS sleepy'))).toBe('ETIMEOUT');
    expect(await client.ask('SELECT 1 AS awake')).toEqual([1]);
    await clear('slow-statement');
    expect(await client.ask('SELECT 1 AS sleepy')).toEqual([1]);
    await client.close();
  });

  it('attention-ignored keeps a cancel from it for a time', async () => {
    await set('slow-statement', { statement: '*sleepy*', ms: 3_600_000 });
    await set('attention-ignored', { ms: 5_000, times: 1 });
    const client = await bench.connect({ timeoutMs: 300, cancelMs: 300 });
    const failure = await client.ask('SELECT 1 AS sleepy').catch((error: unknown) => error);
    // The driver gives up on the answer to its cancel and drops the connection (sqlserver.md §8.4).
    expect(String(failure)).toMatch(/Failed to cancel request in 300ms/);
    expect(await bench.isSet('attention-ignored')).toBe(false);
    const patient = await bench.connect({ timeoutMs: 300 });
    expect(await outcome(patient.ask('SELECT 1 AS sleepy'))).toBe('ETIMEOUT');
    expect(await patient.ask('SELECT 1 AS awake')).toEqual([1]);
    await clear('slow-statement');
    await patient.close();
  });

  it('answer-lost executes it and drops the connection', async () => {
    await set('answer-lost', { statement: 'INSERT*' });
    const client = await bench.connect();
    const insert = "INSERT D.dbo.t (v) VALUES (N'lost')";
    expect(await outcome(client.ask(insert))).toMatch(lost);
    expect(await observer.ask("SELECT COUNT(*) AS n FROM D.dbo.t WHERE v = N'lost'")).toEqual([1]);
    await clear('answer-lost');
    expect(await outcome(client.ask(insert))).toBe('ok');
    await client.close();
  });

  it('connection-cut loses the connection of a BACKUP, which succeeds', async () => {
    const backup = (name: string): string =>
      `BACKUP DATABASE D TO DISK = N'\\\\share\\bts\\${name}.bak' WITH NAME = N'${name}'`;
    const recorded = async (name: string): Promise<readonly unknown[]> =>
      observer.ask(`SELECT COUNT(*) AS n FROM msdb.dbo.backupset WHERE name = N'${name}'`);
    await set('connection-cut', { percent: 1, statement: 'BACKUP*', times: 1 });
    const client = await bench.connect();
    expect(await outcome(client.ask(backup('cut')))).toMatch(lost);
    while ((await recorded('cut'))[0] !== 1) await new Promise(resolve => setTimeout(resolve, 10));
    expect(await bench.isSet('connection-cut')).toBe(false);
    expect(await outcome(client.ask(backup('whole')))).toBe('ok');
    expect(await outcome(observer.ask("RESTORE VERIFYONLY FROM DISK = N'\\\\share\\bts\\cut.bak'"))).toBe('ok');
    await client.close();
  });
});

describe('the clock', () => {
  it('clock-skew shifts what the instance shows, and back', async () => {
    const aheadMs = async (): Promise<number> =>
      Number(new Date(String((await observer.ask('SELECT CONVERT(varchar(30), GETUTCDATE(), 126) AS t'))[0]) + 'Z')) -
      Date.now();
    expect(Math.abs(await aheadMs())).toBeLessThan(600_000);
    await set('clock-skew', { seconds: -7200 });
    expect(Math.abs((await aheadMs()) + 7_200_000)).toBeLessThan(600_000);
    await clear('clock-skew');
    expect(Math.abs(await aheadMs())).toBeLessThan(600_000);
  });

  it('clock-goes-back lets the control port set it back', async () => {
    const back = (): Promise<unknown> => post('/clock', { setTo: '2020-01-01T00:00:00Z' });
    expect(await back()).toMatchObject({ error: {} });
    await set('clock-goes-back');
    expect(await back()).not.toMatchObject({ error: {} });
    expect(await observer.ask('SELECT YEAR(GETUTCDATE()) AS y')).toEqual([2020]);
    await clear('clock-goes-back');
    expect(await post('/clock', { setTo: '2019-01-01T00:00:00Z' })).toMatchObject({ error: {} });
  });
});
