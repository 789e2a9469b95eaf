import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { collect, failureOf, makeTable, put, readAll, startFixture, type Fixture } from './engine-fixture.ts';
import type { AlterDatabaseStatement, Database, DatabaseFile } from '../contract.ts';

let fixture: Fixture;
let sequence = 0;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.end());

async function fresh(): Promise<Database> {
  sequence += 1;
  return fixture.engine().createDatabase(fixture.session(), `Db${sequence}`, undefined);
}

function alter(
  database: Database,
  set: AlterDatabaseStatement['set'],
  termination?: AlterDatabaseStatement['termination'],
  session = fixture.session(),
): ReturnType<typeof collect> & { readonly outcome: Promise<readonly number[]> } {
  const sink = collect();
  const statement = { database: database.name, set, ...(termination === undefined ? {} : { termination }) };
  return Object.assign(sink, { outcome: failureOf(fixture.engine().alterDatabase(session, statement, sink)) });
}

describe('CREATE DATABASE', () => {
  it('gives two that are made at the same time an id each', async () => {
    const [one, two] = await Promise.all([fresh(), fresh()]);
    expect(one.id).not.toBe(two.id);
  });

  it('makes one of a name when two are asked for at the same time', async () => {
    const create = (name: string): Promise<readonly number[]> =>
      failureOf(fixture.engine().createDatabase(fixture.session(), name, undefined));
    expect(await Promise.all([create('Once'), create('ONCE')])).toEqual([[], [1801]]);
    const database = fixture.engine().database('Once');
    if (database === undefined) throw new Error('Once is not there');
    await put(
      fixture.engine(),
      fixture.session(),
      await makeTable(fixture.engine(), fixture.session(), database),
      1,
      'kept',
    );
    await fixture.restart();
    expect(fixture.engine().database('Once')?.state).toBe('ONLINE');
  });

  it('refuses a taken name, a missing folder and a taken file', async () => {
    const database = await fresh();
    const files = (path: string): readonly DatabaseFile[] => [
      { logicalName: 'x', physicalName: path, type: 'D', sizeBytes: 8_388_608n, fileId: 1 },
      { logicalName: 'x_log', physicalName: `${path}.ldf`, type: 'L', sizeBytes: 8_388_608n, fileId: 2 },
    ];
    const create = (name: string, path?: string): Promise<readonly number[]> =>
      failureOf(fixture.engine().createDatabase(fixture.session(), name, path === undefined ? undefined : files(path)));
    expect(await create(database.name.toUpperCase())).toEqual([1801]);
    expect(await create('Lost', 'E:\\nowhere\\x.mdf')).toEqual([5133, 1802]);
    expect(await create('Twin', database.files[0]?.physicalName)).toEqual([5170, 1802]);
    expect(await create('Good', 'D:\\Data\\good.mdf')).toEqual([]);
  });
});

describe('DROP DATABASE', () => {
  it('is refused while in use, for system databases and for none at all', async () => {
    const database = await fresh();
    const drop = (name: string): Promise<readonly number[]> =>
      failureOf(fixture.engine().dropDatabase(fixture.session(), name));
    const guest = fixture.session(database.name);
    expect(await drop(database.name)).toEqual([3702]);
    await fixture.engine().use(guest, 'master');
    expect(await drop(database.name)).toEqual([]);
    expect(await drop(database.name)).toEqual([3701]);
    expect(await drop('msdb')).toEqual([3708]);
  });
});

describe('ALTER DATABASE', () => {
  it('SINGLE_USER WITH ROLLBACK IMMEDIATE ends other sessions, says so twice, and keeps newcomers out', async () => {
    const database = await fresh();
    const [guest, setter] = [fixture.session(database.name), fixture.session()];
    const run = alter(database, { option: 'SINGLE_USER' }, { kind: 'rollback immediate' }, setter);
    expect(await run.outcome).toEqual([]);
    expect(run.messages.map(message => [message.number, message.state])).toEqual([
      [5060, 2],
      [5060, 1],
    ]);
    expect(guest.killed()).toBe(true);
    expect(await failureOf(fixture.engine().use(fixture.session(), database.name))).toEqual([924]);
    expect(await alter(database, { option: 'MULTI_USER' }).outcome).toEqual([5064, 5069]);
    expect(await alter(database, { option: 'MULTI_USER' }, undefined, setter).outcome).toEqual([]);
    await fixture.engine().use(fixture.session(), database.name);
  });

  it('NO_WAIT fails while somebody is inside, without a clause it waits', async () => {
    const database = await fresh();
    const guest = fixture.session(database.name);
    expect(await alter(database, { option: 'READ_ONLY' }, { kind: 'no wait' }).outcome).toEqual([5070, 5069]);
    const waiting = alter(database, { option: 'READ_ONLY' }).outcome;
    await fixture.engine().use(guest, 'master');
    expect(await waiting).toEqual([]);
    const transaction = fixture.engine().begin(guest, undefined);
    const definition = { schema: 'dbo', name: 'x', columns: [], uniques: [] };
    expect(await failureOf(transaction.createTable(database, definition))).toEqual([3906]);
    await transaction.rollback();
  });

  it('OFFLINE and ONLINE keep the rows', async () => {
    const database = await fresh();
    const session = fixture.session();
    const table = await makeTable(fixture.engine(), session, database);
    await put(fixture.engine(), session, table, 1, 'kept');
    expect(await alter(database, { option: 'OFFLINE' }).outcome).toEqual([]);
    expect(await failureOf(fixture.engine().use(session, database.name))).toEqual([942]);
    await fixture.restart();
    const again = fixture.session();
    const offline = fixture.engine().database(database.name);
    if (offline === undefined) throw new Error('the database is gone');
    expect(await alter(offline, { option: 'ONLINE' }, undefined, again).outcome).toEqual([]);
    const found = fixture.engine().database(database.name)?.table('dbo', 't');
    if (found === undefined) throw new Error('the table is gone');
    expect(await readAll(fixture.engine(), again, found)).toEqual([[1n, 'kept']]);
  });

  it('of a database that is not there is 5011', async () => {
    const outcome = await failureOf(
      fixture.engine().alterDatabase(fixture.session(), { database: 'None', set: { option: 'OFFLINE' } }, collect()),
    );
    expect(outcome).toEqual([5011, 5069]);
  });
});

describe('a Windows login', () => {
  it('outlives the instance, has one SID everywhere, and needs a right to be made', async () => {
    const { engine } = fixture;
    await engine().createWindowsLogin(fixture.session(), 'CONTOSO\\Hosts');
    const sid = (): string | undefined => {
      const found = engine()
        .logins()
        .find(login => login.name === 'CONTOSO\\Hosts');
      return found === undefined ? undefined : Buffer.from(found.sid).toString('hex');
    };
    const before = sid();
    await fixture.restart();
    expect(sid()).toBe(before);
    const poor = Object.assign(fixture.session(), {
      login: { name: 'poor', sid: Uint8Array.of(9), serverRoles: new Set<never>() },
    });
    expect(await failureOf(engine().createWindowsLogin(poor, 'CONTOSO\\Other'))).toEqual([15247]);
    expect(await failureOf(engine().dropLogin(poor, 'CONTOSO\\Hosts'))).toEqual([15247]);
    await engine().dropLogin(fixture.session(), 'contoso\\hosts');
    expect(sid()).toBeUndefined();
  });
});

describe('application locks', () => {
  const request = (timeoutMs: number, resource = 'r') =>
    ({ resource, mode: 'Exclusive', owner: 'Session', timeoutMs, database: master() }) as const;
  const master = (): Database => {
    const found = fixture.engine().database('master');
    if (found === undefined) throw new Error('no master');
    return found;
  };

  it('are granted, time out, are waited for, and end with their session', async () => {
    const [one, two] = [fixture.session(), fixture.session()];
    const { engine } = fixture;
    expect(await engine().getApplock(one, request(0))).toBe(0);
    expect(await engine().getApplock(two, request(0))).toBe(-1);
    expect(await engine().getApplock(two, request(5))).toBe(-1);
    expect(await engine().getApplock(two, request(0, 'R'))).toBe(0);
    const waiting = engine().getApplock(two, request(-1));
    await engine().detach(one);
    expect(await waiting).toBe(1);
    expect(engine().releaseApplock(two, request(0))).toBe(0);
    expect(engine().releaseApplock(two, request(0))).toBe(-999);
  });

  it('a cancelled wait answers -2', async () => {
    const [one, two] = [fixture.session(), fixture.session()];
    await fixture.engine().getApplock(one, request(0, 'c'));
    const waiting = fixture.engine().getApplock(two, request(-1, 'c'));
    two.abort('attention');
    expect(await waiting).toBe(-2);
  });
});
