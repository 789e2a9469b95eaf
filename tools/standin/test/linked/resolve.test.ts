/**
 * KILL of a unit of work: a prepared part whose coordinator is gone is ended by somebody who does not wait for it. Whatever dies meanwhile, and
 * whatever the coordinator says later, the part ends once, its locks go, and both sides note where they differ.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Pair, type Instance, type Name } from './pair.ts';
import type { Resolution } from '../../src/engine/resolutions.ts';

let template: Pair;
let pair: Pair;

beforeAll(async () => {
  template = await Pair.create();
  for (const name of ['ONE', 'TWO'] as const) {
    const instance = await template.start(name);
    await instance.run('CREATE DATABASE D');
    await instance.run('CREATE TABLE D.dbo.t (id int NOT NULL PRIMARY KEY)');
    if (name === 'ONE') {
      await instance.run("EXEC sp_addlinkedserver @server = N'TWO', @srvproduct = N'SQL Server'");
      await instance.run("EXEC sp_serveroption N'TWO', 'rpc out', 'true'");
    }
    await instance.kill();
  }
}, 60_000);
afterEach(async () => {
  await pair.end();
  await rm(pair.folder, { recursive: true });
});
afterAll(() => rm(template.folder, { recursive: true }));

const insertBoth = (id: number): string =>
  `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; INSERT D.dbo.t VALUES (${id}); INSERT TWO.D.dbo.t VALUES (${id}); COMMIT`;
/** As the product asks. */
const units = `SELECT DISTINCT DB_NAME(l.resource_database_id) AS databaseName, CONVERT(varchar(36), l.request_owner_guid) AS unitOfWork
FROM sys.dm_tran_locks l
WHERE l.request_session_id = -2
ORDER BY databaseName, unitOfWork;`;

/** ONE is dead and TWO holds a part that ONE had or had not decided to commit. */
async function inDoubt(place: 'distributed prepared' | 'distributed decided', dieAt?: string, work = insertBoth(1)) {
  pair = await Pair.create(template.folder);
  const two = await pair.start('TWO', dieAt === undefined ? {} : { dieAt });
  const one = await pair.start('ONE', { dieAt: place });
  await one.run(work).catch(() => undefined);
  await one.ended;
  return { two, unit: await unitAt(two) };
}

async function unitAt(instance: Instance): Promise<string> {
  for (;;) {
    const [row] = await instance.run(units);
    if (row === undefined) continue;
    expect(row['databaseName']).toBe('D');
    return String(row['unitOfWork']);
  }
}

async function ids(instance: Instance): Promise<readonly unknown[]> {
  const rows = await instance.run('SET LOCK_TIMEOUT 0; SELECT id FROM D.dbo.t ORDER BY id');
  return rows.map(row => row['id']);
}

async function noted(name: Name): Promise<readonly Pick<Resolution, 'instance' | 'outcome' | 'decided'>[]> {
  const text = await readFile(join(pair.folder, name, 'resolved.jsonl'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Resolution)
    .map(({ instance, outcome, decided }) => ({ instance, outcome, ...(decided === undefined ? {} : { decided }) }));
}

async function untilNoted(name: Name, decided: 'committed' | 'aborted'): Promise<Awaited<ReturnType<typeof noted>>> {
  for (;;) {
    const lines = await noted(name);
    if (lines.some(line => line.decided === decided)) return lines;
  }
}

it('lets SET OFFLINE go on that waited for the part, and nobody of that name is there any more', async () => {
  const { two, unit } = await inDoubt('distributed prepared');
  const offline = two.run('ALTER DATABASE D SET OFFLINE WITH ROLLBACK IMMEDIATE');
  const waits = "SELECT 1 FROM sys.dm_tran_locks WHERE resource_type = 'DATABASE' AND request_status = 'WAIT'";
  while ((await two.run(waits)).length === 0);
  await two.run(`KILL '${unit}' WITH ROLLBACK`);
  await offline;
  expect(await two.run(units)).toEqual([]);
  await expect(two.run(`KILL '${unit}' WITH ROLLBACK`)).rejects.toMatchObject({ number: 6110 });
  await two.run('ALTER DATABASE D SET ONLINE');
  expect(await ids(two)).toEqual([]);
});

it('lets commits go on that a mark in doubt held back', async () => {
  const far = "EXEC (N'BEGIN TRAN Far WITH MARK; INSERT D.dbo.t VALUES (1); COMMIT') AT TWO";
  const work = `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; INSERT D.dbo.t VALUES (1); ${far}; COMMIT`;
  const { two, unit } = await inDoubt('distributed prepared', undefined, work);
  let committed = false;
  const other = two.run('INSERT D.dbo.t VALUES (7)').then(() => {
    committed = true;
  });
  const running = "SELECT 1 FROM sys.dm_exec_requests WHERE command = 'INSERT' AND session_id <> @@SPID";
  while ((await two.run(running)).length === 0) expect(committed).toBe(false);
  await two.run(`KILL '${unit}' WITH COMMIT`);
  await other;
  expect(await ids(two)).toEqual([1, 7]);
  expect(await two.run('SELECT mark_name FROM msdb.dbo.logmarkhistory')).toEqual([{ mark_name: 'Far' }]);
});

describe.each([
  ['distributed prepared', 'COMMIT', 'committed', 'aborted'],
  ['distributed decided', 'ROLLBACK', 'aborted', 'committed'],
] as const)(
  'a coordinator that died at "%s" and comes back after KILL … WITH %s',
  (place, option, outcome, decided) => {
    it('changes nothing any more; both note it, and go on', async () => {
      const { two, unit } = await inDoubt(place);
      await two.run(`KILL '${unit}' WITH ${option}`);
      const there = outcome === 'committed' ? [1] : [];
      expect(await ids(two)).toEqual(there);
      const one = await pair.start('ONE');
      const line = { instance: 'TWO', outcome, decided };
      expect(await Promise.all([untilNoted('ONE', decided), untilNoted('TWO', decided)])).toEqual([[line], [line]]);
      expect(await ids(one)).toEqual(decided === 'committed' ? [1] : []);
      await two.kill();
      const again = await pair.start('TWO');
      expect(await ids(again)).toEqual(there);
      await one.run(insertBoth(2));
      expect(await ids(again)).toEqual([...there, 2]);
      expect(await noted('TWO')).toEqual([line]);
    });
  },
);

/** Where TWO dies within KILL, and whether that one counts. */
const allDeaths = [
  ['half resolved.jsonl.new', 'COMMIT', false],
  ['sync resolved.jsonl.new', 'ROLLBACK', false],
  ['branch resolved', 'ROLLBACK', true],
  ['write commit.journal', 'COMMIT', true],
  ['rename resolved.jsonl', 'COMMIT', true],
  ['branch aborted', 'ROLLBACK', true],
] as const;

const deaths =
  process.env['HOLDFAST_TESTS'] === 'long'
    ? allDeaths
    : allDeaths.filter(([place]) => ['sync resolved.jsonl.new', 'branch resolved'].includes(place));

describe.each(deaths)('a KILL cut short at "%s" (WITH %s)', (place, option, counts) => {
  it('has ended the part or left it as it was, under its name', async () => {
    const { two, unit } = await inDoubt('distributed prepared', place);
    await two.run(`KILL '${unit}' WITH ${option}`).catch(() => undefined);
    await two.ended;
    const back = await pair.start('TWO');
    if (!counts) {
      expect(await unitAt(back)).toBe(unit);
      await expect(ids(back)).rejects.toMatchObject({ number: 1222 });
      await expect(back.run(`KILL '${unit}'`)).rejects.toMatchObject({ number: 6113 });
      await back.run(`KILL '${unit.toLowerCase()}' WITH ROLLBACK`);
    }
    expect(await back.run(units)).toEqual([]);
    expect(await ids(back)).toEqual(counts && option === 'COMMIT' ? [1] : []);
  });
});
