/** A log restored elsewhere that holds a prepared transaction: nobody there can be asked (sqlserver.md §3.5). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGroup, type Group, type Member } from './group-fixture.ts';
import type { RemoteRequest } from '../contract.ts';

let group: Group;
let standby: Member;

/** ONE coordinates; its log backup `prepared.trn` ends between its prepare and the decision, `decided.trn` behind its commit. */
beforeAll(async () => {
  group = await startGroup();
  const [one, two] = [await group.start('ONE'), await group.start('TWO')];
  for (const member of [one, two]) {
    await member.rows('CREATE DATABASE D');
    await member.rows('CREATE TABLE D.dbo.t (id int NOT NULL PRIMARY KEY, v int)');
  }
  await one.rows('INSERT INTO D.dbo.t VALUES (1, 0), (2, 0)');
  await one.rows("BACKUP DATABASE D TO DISK = '\\\\share\\bts\\full.bak'");
  await one.engine.linked.add({ name: 'TWO', product: 'SQL Server', dataSource: 'TWO' });
  const { branches } = two.engine;
  const prepare = branches.prepare.bind(branches);
  branches.prepare = async (session, id) => {
    await one.rows("BACKUP LOG D TO DISK = '\\\\share\\bts\\prepared.trn'");
    return prepare(session, id);
  };
  const session = one.session('D');
  await one.rows('BEGIN TRAN m WITH MARK; UPDATE t SET v = 1 WHERE id = 1; DELETE t WHERE id = 2', session);
  const request: RemoteRequest = { database: 'D', text: 'INSERT INTO t VALUES (1, 1)', parameters: [], kind: 'query' };
  await one.engine.linked.ask(session, 'TWO', request);
  await one.rows('COMMIT', session);
  await one.rows("BACKUP LOG D TO DISK = '\\\\share\\bts\\decided.trn'");
  standby = await group.start('DR');
}, 30_000);
afterAll(() => group.end());

let sequence = 0;

/** Returns the name of the database that the backups were restored to, RESTORING. */
async function restored(...logs: readonly string[]): Promise<string> {
  sequence += 1;
  const name = `R${sequence}`;
  const files = `MOVE 'D' TO 'D:\\Data\\${name}.mdf', MOVE 'D_log' TO 'D:\\Data\\${name}.ldf'`;
  await standby.rows(`RESTORE DATABASE ${name} FROM DISK = '\\\\share\\bts\\full.bak' WITH NORECOVERY, ${files}`);
  for (const log of logs)
    await standby.rows(`RESTORE LOG ${name} FROM DISK = '\\\\share\\bts\\${log}' WITH NORECOVERY`);
  return name;
}

async function presume(outcome: 0 | 1 | 2): Promise<void> {
  await standby.rows("EXEC sp_configure 'show advanced options', 1; RECONFIGURE");
  await standby.rows(`EXEC sp_configure 'in-doubt xact resolution', ${outcome}; RECONFIGURE`);
}

describe('recovery of a prepared transaction', () => {
  it('undoes it under presumption 2', async () => {
    await presume(2);
    const name = await restored('prepared.trn');
    await standby.rows(`RESTORE DATABASE ${name} WITH RECOVERY`);
    expect(await standby.rows(`SELECT id, v FROM ${name}.dbo.t`)).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it('commits it under presumption 1, mark and all', async () => {
    await presume(1);
    const name = await restored('prepared.trn');
    await standby.rows(`RESTORE DATABASE ${name} WITH RECOVERY`);
    expect(await standby.rows(`SELECT id, v FROM ${name}.dbo.t`)).toEqual([[1, 1]]);
    const marks = standby.log(name).flatMap(({ entry }) => (entry.kind === 'commit' ? [entry.mark?.name] : []));
    expect(marks).toContain('m');
  });

  it('fails under presumption 0 and leaves the database SUSPECT, until it is set ONLINE with another', async () => {
    await presume(0);
    const name = await restored('prepared.trn');
    expect(await standby.errors(`RESTORE DATABASE ${name} WITH RECOVERY`, standby.session())).toEqual(
      expect.arrayContaining([3437, 3431, 3414]),
    );
    expect(await standby.rows(`SELECT state_desc FROM sys.databases WHERE name = '${name}'`)).toEqual([['SUSPECT']]);
    expect(await standby.errors(`SELECT 1 FROM ${name}.dbo.t`, standby.session())).toEqual([926]);
    await presume(2);
    await standby.rows(`ALTER DATABASE ${name} SET ONLINE`);
    expect(await standby.rows(`SELECT v FROM ${name}.dbo.t WHERE id = 1`)).toEqual([[0]]);
  });

  it('needs no presumption when the log holds the outcome', async () => {
    await presume(0);
    const name = await restored('prepared.trn', 'decided.trn');
    await standby.rows(`RESTORE DATABASE ${name} WITH RECOVERY`);
    expect(await standby.rows(`SELECT id, v FROM ${name}.dbo.t`)).toEqual([[1, 1]]);
  });
});
