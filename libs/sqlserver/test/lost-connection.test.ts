import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Exclusive, LockLost, openExclusive, openServer, type SqlServer, statements } from '../src/index.ts';
import { type SilentServer, startSilentServer } from './silent-server.ts';

let fake: SilentServer;
let server: SqlServer;
let exclusive: Exclusive;

beforeEach(async () => {
  fake = await startSilentServer();
  server = await openServer({
    address: {
      server: '127.0.0.1',
      port: fake.port,
      instanceName: null,
      encrypt: false,
      trustServerCertificate: false,
    },
    credentials: { user: 'holdfast', password: 'x' },
    applicationName: 'holdfast-test',
    clock: Date.now,
  });
  const opened = await openExclusive(server, {
    group: 'g1',
    fencingToken: '3',
    purpose: { service: 'restore', operation: 'e1' },
    waitMs: 300,
  });
  if ('refused' in opened) throw new Error(opened.message);
  exclusive = opened;
});

afterEach(async () => {
  await exclusive.release();
  await server.close();
  await fake.close();
});

const recovering = () => exclusive.run(statements.recoverDatabase, { database: 'd' });

describe('a connection that holds the lock', () => {
  it('is never replaced after it broke under a statement', async () => {
    const logins = fake.logins();
    const running = recovering();
    await fake.restoreArrived();
    fake.cutAll();
    await expect(running).rejects.toMatchObject({ name: 'SqlServerError', errorClass: 'lost' });
    expect(exclusive.holds()).toBe(false);
    await expect(recovering()).rejects.toThrow(LockLost);
    expect(fake.logins()).toBe(logins);
  });

  it('is never replaced after it broke while idle, not even when the break has not been noticed yet', async () => {
    const logins = fake.logins();
    fake.cutAll();
    await expect(recovering()).rejects.toMatchObject({ errorClass: 'lost' });
    await expect(recovering()).rejects.toThrow(LockLost);
    expect(fake.logins()).toBe(logins);
  });

  it('can be closed under a running statement', async () => {
    const running = recovering();
    const failure = expect(running).rejects.toMatchObject({ errorClass: 'lost' });
    await fake.restoreArrived();
    await exclusive.release();
    await failure;
  });

  it('can be closed while an answer is read', async () => {
    const closing = Promise.withResolvers<unknown>();
    await exclusive.run(statements.setOnline, { database: 'd' }, () => closing.resolve(exclusive.release()));
    await closing.promise;
    expect(exclusive.holds()).toBe(false);
    await expect(recovering()).rejects.toThrow(LockLost);
  });

  it('is closed although its server does not take the lock back', async () => {
    fake.fallSilent();
    await exclusive.release();
    expect(exclusive.holds()).toBe(false);
  });

  it('runs one statement at a time', async () => {
    const running = recovering();
    const failure = expect(running).rejects.toMatchObject({ errorClass: 'lost' });
    await fake.restoreArrived();
    await expect(recovering()).rejects.toThrow('another statement still runs');
    fake.cutAll();
    await failure;
  });
});

describe('the small pool', () => {
  it('refuses what belongs on an exclusive connection', async () => {
    await expect(server.query(statements.recoverDatabase, { database: 'd' })).rejects.toThrow(
      'exclusive connection only',
    );
  });
});
