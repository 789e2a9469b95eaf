import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { failureOf, makeTable, put, readAll, startFixture, type Fixture } from './engine-fixture.ts';
import type { Database, Row, Table } from '../contract.ts';

let fixture: Fixture;
let database: Database;
let sequence = 0;

beforeAll(async () => {
  fixture = await startFixture();
  database = await fixture.engine().createDatabase(fixture.session(), 'App', undefined);
});
afterAll(() => fixture.end());

/** Each test has a table of its own. */
function freshTable(): Promise<Table> {
  sequence += 1;
  return makeTable(fixture.engine(), fixture.session(), database, `t${sequence}`);
}

function ids(rows: readonly Row[]): readonly number[] {
  return rows.map(row => Number(row[0]));
}

describe('rows', () => {
  it('come in primary key order, whatever the order of inserts', async () => {
    const table = await freshTable();
    const session = fixture.session();
    for (const id of [5, 1, 3, 2, 4]) await put(fixture.engine(), session, table, id, `v${id}`);
    expect(ids(await readAll(fixture.engine(), session, table))).toEqual([1, 2, 3, 4, 5]);
  });

  it('refuse a second row of the same key with 2627 and a NULL with 515', async () => {
    const table = await freshTable();
    const session = fixture.session();
    await put(fixture.engine(), session, table, 1, 'a');
    const transaction = fixture.engine().begin(session, undefined);
    expect(await failureOf(transaction.insert(table, [1n, 'b']))).toEqual([2627]);
    expect(await failureOf(transaction.insert(table, [null, 'b']))).toEqual([515]);
    await transaction.rollback();
  });

  it('may be deleted and inserted again under one key in one transaction, and rolled back', async () => {
    const table = await freshTable();
    const session = fixture.session();
    await put(fixture.engine(), session, table, 1, 'old');
    const transaction = fixture.engine().begin(session, undefined);
    for await (const { id } of transaction.scan(table, 'update')) await transaction.delete(table, id);
    await transaction.insert(table, [1n, 'new']);
    await transaction.rollback();
    expect(await readAll(fixture.engine(), session, table)).toEqual([[1n, 'old']]);
    await put(fixture.engine(), session, table, 2, 'x');
  });
});

describe('savepoints', () => {
  it('take back what came after them and nothing before', async () => {
    const table = await freshTable();
    const session = fixture.session();
    const transaction = fixture.engine().begin(session, undefined);
    await transaction.insert(table, [1n, 'a']);
    transaction.save('here');
    await transaction.insert(table, [2n, 'b']);
    expect(await transaction.rollbackTo('elsewhere')).toBe(false);
    expect(await transaction.rollbackTo('here')).toBe(true);
    await transaction.insert(table, [3n, 'c']);
    await transaction.commit();
    expect(ids(await readAll(fixture.engine(), session, table))).toEqual([1, 3]);
  });
});

describe('READ COMMITTED', () => {
  it('waits for an uncommitted row and then reads what was committed', async () => {
    const table = await freshTable();
    const [writer, reader] = [fixture.session(), fixture.session()];
    const transaction = fixture.engine().begin(writer, undefined);
    await transaction.insert(table, [1n, 'a']);
    let done = false;
    const reading = readAll(fixture.engine(), reader, table).then(rows => {
      done = true;
      return rows;
    });
    await new Promise(setImmediate);
    expect(done).toBe(false);
    expect(
      fixture
        .engine()
        .locks()
        .some(lock => lock.spid === reader.spid && lock.status === 'WAIT'),
    ).toBe(true);
    await transaction.commit();
    expect(await reading).toEqual([[1n, 'a']]);
  });

  it('ends with 1222 after LOCK_TIMEOUT', async () => {
    const table = await freshTable();
    const [writer, reader] = [fixture.session(), fixture.session()];
    reader.options.lockTimeoutMs = 5;
    const transaction = fixture.engine().begin(writer, undefined);
    await transaction.insert(table, [1n, 'a']);
    expect(await failureOf(readAll(fixture.engine(), reader, table))).toEqual([1222]);
    await transaction.rollback();
    expect(await readAll(fixture.engine(), reader, table)).toEqual([]);
  });

  it('does not let a key be taken that an open transaction has only deleted', async () => {
    const table = await freshTable();
    const [one, two] = [fixture.session(), fixture.session()];
    await put(fixture.engine(), one, table, 1, 'a');
    const deleting = fixture.engine().begin(one, undefined);
    for await (const { id } of deleting.scan(table, 'update')) await deleting.delete(table, id);
    const inserting = put(fixture.engine(), two, table, 1, 'b');
    await deleting.rollback();
    expect(await failureOf(inserting)).toEqual([2627]);
  });
});

describe('a deadlock', () => {
  it('ends one of the two with 1205 and lets the other go on', async () => {
    const table = await freshTable();
    const [one, two] = [fixture.session(), fixture.session()];
    await put(fixture.engine(), one, table, 1, 'a');
    await put(fixture.engine(), one, table, 2, 'b');
    const first = fixture.engine().begin(one, undefined);
    const second = fixture.engine().begin(two, undefined);
    const take = async (transaction: typeof first, id: number): Promise<void> => {
      for await (const found of transaction.seek(table, { columns: [0], values: [BigInt(id)] }, 'update')) {
        await transaction.update(table, found.id, [BigInt(id), 'changed']);
      }
    };
    await take(first, 1);
    await take(second, 2);
    const waits = take(first, 2);
    const closes = take(second, 1);
    const outcomes = await Promise.all([
      failureOf(waits).then(async numbers => (numbers.length === 0 ? numbers : (await first.rollback(), numbers))),
      failureOf(closes).then(async numbers => (numbers.length === 0 ? numbers : (await second.rollback(), numbers))),
    ]);
    expect(outcomes.flat()).toEqual([1205]);
    await first.rollback();
    await second.rollback();
  });
});

describe('a marked transaction', () => {
  it('leaves one mark per updated database, with the LSN of its commit', async () => {
    const engine = fixture.engine();
    const session = fixture.session();
    const second = await engine.createDatabase(session, 'Second', undefined);
    const tables = [await freshTable(), await makeTable(engine, session, second)];
    const transaction = engine.begin(session, 'm1');
    transaction.mark('m1', 'why');
    for (const table of tables) await transaction.insert(table, [1n, 'x']);
    await transaction.commit();
    const history = engine.database('msdb')?.table('dbo', 'logmarkhistory');
    if (history === undefined) throw new Error('msdb has no logmarkhistory');
    const rows = (await readAll(engine, session, history)).filter(row => row[1] === 'm1');
    expect(rows.map(row => row[0])).toEqual(['App', 'Second']);
    expect(rows.map(row => row[2])).toEqual(['why', 'why']);
  });
});

describe('a restart', () => {
  it('keeps committed rows and rolls an open transaction back', async () => {
    const table = await freshTable();
    const name = table.definition.name;
    await put(fixture.engine(), fixture.session(), table, 1, 'kept');
    const open = fixture.engine().begin(fixture.session(), undefined);
    await open.insert(table, [2n, 'lost']);
    const engine = await fixture.restart();
    const again = engine.database('App')?.table('dbo', name);
    if (again === undefined) throw new Error('the table is gone');
    expect(await readAll(engine, fixture.session(), again)).toEqual([[1n, 'kept']]);
  });
});
