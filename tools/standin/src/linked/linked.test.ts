import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { faultsWith } from '../faults/fault-switches.ts';
import { startGroup, type Group, type Member } from './group-fixture.ts';
import { failureOf, type TestSession } from '../engine/engine-fixture.ts';
import type { RemoteAnswer, RemoteRequest, RpcParameter } from '../contract.ts';

let group: Group;
let one: Member;
let two: Member;

beforeAll(async () => {
  group = await startGroup();
  one = await start('ONE', 'A');
  two = await start('TWO', 'B');
  for (const [at, to] of [
    [one, 'TWO'],
    [two, 'ONE'],
  ] as const) {
    await at.engine.linked.add({ name: to, product: 'SQL Server', dataSource: to });
    await at.engine.linked.set(to, 'rpc out', true);
  }
}, 30_000);
afterAll(() => group.end());

async function start(name: string, database: string): Promise<Member> {
  const member = await group.start(name, { markDrainTimeoutMs: 300 });
  await member.rows(`CREATE DATABASE ${database}`);
  await member.rows(`CREATE TABLE ${database}.dbo.t (id int NOT NULL PRIMARY KEY, v nvarchar(100))`);
  return member;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(setImmediate);
}

function ask(session: TestSession, text: string, more: Partial<RemoteRequest> = {}): Promise<RemoteAnswer> {
  return one.engine.linked.ask(session, 'two', { database: 'B', text, parameters: [], kind: 'query', ...more });
}

describe('the list of linked servers', () => {
  it('outlives the process, and names are found whatever their case', async () => {
    const first = await group.start('LIST');
    await first.engine.linked.add({ name: 'Far', product: 'SQL Server', dataSource: 'FAR' });
    await first.engine.linked.add({ name: 'near', product: 'SQL Server', dataSource: 'NEAR' });
    await first.engine.linked.set('FAR', 'rpc', true);
    await first.engine.linked.set('far', 'rpc out', true);
    await first.engine.linked.drop('NEAR');
    await first.close();
    const again = await group.start('LIST');
    expect(again.engine.linked.list()).toEqual([
      { id: 1, name: 'Far', product: 'SQL Server', dataSource: 'FAR', rpc: true, rpcOut: true, dataAccess: true },
    ]);
    expect(again.engine.linked.find('fAR')?.id).toBe(1);
    expect(await failureOf(again.engine.linked.drop('near'))).toEqual([15015]);
    expect(await failureOf(again.engine.linked.add({ name: 'FAR', product: '', dataSource: 'x' }))).toEqual([15028]);
  });

  it('refuses who is unknown, not configured, or not there', async () => {
    const session = one.session();
    const request = { database: 'B', text: 'SELECT 1', parameters: [], kind: 'query' } as const;
    const { linked } = one.engine;
    expect(await failureOf(linked.ask(session, 'nobody', request))).toEqual([7202]);
    await linked.add({ name: 'gone', product: 'SQL Server', dataSource: 'gone' });
    expect(await failureOf(linked.ask(session, 'gone', request))).toEqual([53]);
    expect(await failureOf(linked.ask(session, 'gone', { ...request, kind: 'procedure' }))).toEqual([7411]);
    await linked.set('gone', 'data access', false);
    expect(await failureOf(linked.ask(session, 'gone', request))).toEqual([7411]);
  });
});

describe('a request', () => {
  it('returns rows, counts, outputs and information, with every digit', async () => {
    const session = one.session();
    const type = { name: 'decimal', precision: 25, scale: 0 } as const;
    const lsn = { kind: 'decimal', unscaled: 34000000012300001n, scale: 0 } as const;
    const parameters: RpcParameter[] = [
      { name: '@lsn', output: false, value: { type, value: lsn } },
      { name: '@n', output: true, value: { type: { name: 'int' }, value: null } },
    ];
    const text =
      "PRINT 'hello'; SELECT @lsn AS lsn, 0x00FF AS bytes, N'ä' AS v; SET @n = 7; INSERT INTO t VALUES (1, N'x'), (2, NULL)";
    const answer = await ask(session, text, { parameters });
    expect(answer.resultSets.map(set => set.rows)).toEqual([[[lsn, Uint8Array.of(0, 255), 'ä']]]);
    expect(answer.rowCount).toBe(2n);
    expect(answer.outputs.get('@n')).toEqual({ type: { name: 'int' }, value: 7n });
    expect(answer.infos.map(info => info.text)).toContain('hello');
    expect(await two.rows('SELECT id, v FROM B.dbo.t ORDER BY id')).toEqual([
      [1, 'x'],
      [2, null],
    ]);
  });

  it('fails with what the other instance says', async () => {
    const session = one.session();
    expect(await failureOf(ask(session, 'SELECT 1/0'))).toEqual([8134]);
    expect(await failureOf(ask(session, 'SELECT 1', { database: 'nowhere' }))).toEqual([911]);
    expect(await failureOf(ask(session, "INSERT INTO t VALUES (1, N'again')"))).toEqual([2627]);
    expect(await failureOf(ask(session, 'BEGIN TRAN'))).toEqual([266]);
  });

  it('works in a session of its own over there, which KILL ends', async () => {
    const session = one.session();
    const { resultSets } = await ask(session, 'SELECT @@SPID AS spid');
    const spid = Number(resultSets[0]?.rows[0]?.[0]);
    expect(
      await two.rows(`SELECT login_name, program_name FROM sys.dm_exec_sessions WHERE session_id = ${spid}`),
    ).toEqual([['sa', 'Microsoft SQL Server']]);
    await two.rows(`KILL ${spid}`);
    await until(
      async () => (await two.rows(`SELECT 1 FROM sys.dm_exec_sessions WHERE session_id = ${spid}`)).length === 0,
    );
    // Nothing was open there: as soon as the end has come through, a request finds a new session.
    await until(async () => (await failureOf(ask(session, 'SELECT 2'))).length === 0);
  });

  it('waits for a lock no longer than its session would', async () => {
    const holder = two.session('B');
    await two.rows("BEGIN TRAN; UPDATE t SET v = N'held' WHERE id = 1", holder);
    const session = one.session();
    session.options.lockTimeoutMs = 20;
    expect(await failureOf(ask(session, 'SELECT v FROM t WHERE id = 1'))).toEqual([1222]);
    await two.rows('ROLLBACK', holder);
  });

  it('is cancelled there when it is cancelled here', async () => {
    const session = one.session();
    const asked = ask(session, "WAITFOR DELAY '00:01:00'");
    const waits = `SELECT 1 FROM sys.dm_exec_requests WHERE command = 'WAITFOR'`;
    await until(async () => (await two.rows(waits)).length > 0);
    session.abort('attention');
    await expect(asked).rejects.toThrow(/aborted/);
    expect(await two.rows(waits)).toEqual([]);
  });
});

describe('a distributed transaction', () => {
  let next = 100;
  /** Begins one at ONE with a row at both. */
  async function begun(session: TestSession): Promise<number> {
    next += 1;
    await one.rows(`BEGIN TRAN; INSERT INTO A.dbo.t VALUES (${next}, N'both')`, session);
    await ask(session, `INSERT INTO t VALUES (${next}, N'both')`);
    return next;
  }
  async function present(id: number): Promise<readonly boolean[]> {
    const at = async (member: Member, database: string): Promise<boolean> =>
      (await member.rows(`SELECT id FROM ${database}.dbo.t WHERE id = ${id}`)).length > 0;
    return [await at(one, 'A'), await at(two, 'B')];
  }

  it('commits at both instances, and again in the same session', async () => {
    const session = one.session();
    for (let round = 0; round < 2; round += 1) {
      const id = await begun(session);
      expect(session.transaction?.distributed).toBe(true);
      await one.rows('COMMIT', session);
      expect(await present(id)).toEqual([true, true]);
    }
  });

  it('is undone at both by ROLLBACK, and by the end of its session', async () => {
    const session = one.session();
    const first = await begun(session);
    await one.rows('ROLLBACK', session);
    expect(await present(first)).toEqual([false, false]);
    const second = await begun(session);
    await one.engine.detach(session);
    expect(await present(second)).toEqual([false, false]);
  });

  it('cannot be committed once its part was rolled back over there', async () => {
    const session = one.session();
    const id = await begun(session);
    expect(await failureOf(ask(session, 'ROLLBACK'))).toContain(1206);
    expect(session.transaction?.state).toBe('doomed');
    expect(await one.errors('COMMIT', session)).toContain(3930);
    await one.rows('ROLLBACK', session);
    expect(await present(id)).toEqual([false, false]);
    expect(session.transaction).toBeUndefined();
  });

  it('is undone here when the vote over there is no', async () => {
    const session = one.session();
    const id = await begun(session);
    for (const each of two.engine.sessions()) if (each.programName === 'Microsoft SQL Server') each.kill(undefined);
    expect(await one.errors('COMMIT', session)).toEqual([1206]);
    expect(session.transaction).toBeUndefined();
    expect(await present(id)).toEqual([false, false]);
  });

  it('is refused as a whole where MSDTC is off', async () => {
    const off = await group.start('OFF', { faults: faultsWith({ name: 'no-dtc' }) });
    await one.engine.linked.add({ name: 'OFF', product: 'SQL Server', dataSource: 'OFF' });
    const session = one.session();
    await one.rows('BEGIN TRAN', session);
    const request = { database: 'master', text: 'SELECT 1', parameters: [], kind: 'query' } as const;
    expect(await failureOf(one.engine.linked.ask(session, 'OFF', request))).toEqual([7391]);
    await one.rows('ROLLBACK', session);
    await off.close();
  });

  it('marks both logs, each with its own history', async () => {
    const session = one.session();
    const id = await begun(session);
    await ask(session, "BEGIN TRAN both WITH MARK 'there'; UPDATE t SET v = N'marked' WHERE id = " + `${id}; COMMIT`);
    await one.rows("BEGIN TRAN both WITH MARK 'here'; COMMIT; COMMIT", session);
    for (const [member, name, description] of [
      [one, 'A', 'here'],
      [two, 'B', 'there'],
    ] as const) {
      const history = await member.rows('SELECT database_name, mark_name, description FROM msdb.dbo.logmarkhistory');
      expect(history).toEqual([[name, 'both', description]]);
    }
  });
});

describe('a mark', () => {
  it('waits for what is prepared, and gives up with 3928 after a while', async () => {
    const [slow, marking, local] = [one.session(), one.session(), one.session('A')];
    await one.rows("BEGIN TRAN; INSERT INTO A.dbo.t VALUES (900, N'slow')", slow);
    await ask(slow, "INSERT INTO t VALUES (900, N'slow')");
    // TWO stops before it answers the prepare: what is prepared at ONE stays so.
    const holder = two.session('B');
    await two.rows("BEGIN TRAN holding WITH MARK; INSERT INTO t VALUES (901, N'mark')", holder);
    const release = stopTwo();
    const committing = one.errors('COMMIT', slow);
    await until(() => prepares(one, 'A') > 0);
    const marked = one.errors("BEGIN TRAN m WITH MARK; INSERT INTO A.dbo.t VALUES (902, N'm'); COMMIT", marking);
    await new Promise(setImmediate);
    const held = one.errors("INSERT INTO t VALUES (903, N'held')", local);
    expect(await marked).toEqual([3928]);
    expect(await held).toEqual([]);
    release();
    expect(await committing).toEqual([]);
    await two.rows('ROLLBACK', holder);
  });

  /** Holds the gate of TWO from outside. */
  function stopTwo(): () => void {
    const { branches } = two.engine;
    const prepare = branches.prepare.bind(branches);
    let letGo = (): void => undefined;
    const gone = new Promise<void>(resolve => (letGo = resolve));
    branches.prepare = async (session, id) => {
      await gone;
      return prepare(session, id);
    };
    return () => {
      branches.prepare = prepare;
      letGo();
    };
  }

  function prepares(member: Member, database: string): number {
    const open = member.log(database).map(record => record.entry);
    const prepared = open.filter(entry => entry.kind === 'prepare').map(entry => entry.transaction);
    const ended = open
      .filter(entry => entry.kind === 'commit' || entry.kind === 'abort')
      .map(entry => entry.transaction);
    return prepared.filter(transaction => !ended.includes(transaction)).length;
  }
});

it('leaves no mistakes of its own behind', () => {
  expect([one.mistakes, two.mistakes]).toEqual([[], []]);
});
