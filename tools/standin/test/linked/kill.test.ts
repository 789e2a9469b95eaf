/**
 * `kill -9` within the two-phase commit of two linked instances. Whatever dies and in whichever order it comes back: what was acknowledged is
 * there, a transaction is at both instances or at none, and no lock stays behind.
 */
import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { names, otherOf, Pair, type Instance, type Name } from './pair.ts';

let template: Pair;
let pair: Pair;

beforeAll(async () => {
  template = await Pair.create();
  for (const name of names) {
    const other = otherOf(name);
    const instance = await template.start(name);
    await instance.run('CREATE DATABASE D');
    await instance.run('CREATE TABLE D.dbo.t (id int NOT NULL PRIMARY KEY, v int)');
    await instance.run('INSERT INTO D.dbo.t VALUES (90, 0), (91, 0)');
    await instance.run(`EXEC sp_addlinkedserver @server = N'${other}', @srvproduct = N'SQL Server'`);
    await instance.kill();
  }
}, 60_000);
afterEach(async () => {
  await pair.end();
  await rm(pair.folder, { recursive: true });
});
afterAll(() => rm(template.folder, { recursive: true }));

function insertBoth(coordinator: Name, id: number, begin = 'BEGIN DISTRIBUTED TRAN'): string {
  const changes = (table: string): string =>
    [
      `INSERT INTO ${table} VALUES (${id}, ${id})`,
      `UPDATE ${table} SET v = ${id} WHERE id = 90`,
      `DELETE FROM ${table} WHERE id = 91`,
      `INSERT INTO ${table} VALUES (91, ${id})`,
    ].join('; ');
  const remote = changes(`[${otherOf(coordinator)}].D.dbo.t`);
  return `SET XACT_ABORT ON; ${begin}; ${changes('D.dbo.t')}; ${remote}; COMMIT`;
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

/** Whether the transaction's changes are there, all or none; undefined while one of them is locked. */
async function has(instance: Instance, id: number): Promise<boolean | undefined> {
  try {
    const rows = await Promise.all(
      [90, 91, id].map(each => instance.run(`SET LOCK_TIMEOUT 0; SELECT v FROM D.dbo.t WHERE id = ${each}`)),
    );
    const [updated, replaced, inserted] = rows.map(([row]) => row?.['v']);
    const there = inserted !== undefined;
    expect([updated, replaced]).toEqual(there ? [id, id] : [0, 0]);
    return there;
  } catch (failure) {
    // One of them is enough: what a prepared transaction changed is locked to its end.
    if (typeof failure === 'object' && failure !== null && 'number' in failure && failure.number === 1222)
      return undefined;
    throw failure;
  }
}

/** Its outcome, once its locks are gone. */
async function settled(instance: Instance, id: number): Promise<boolean> {
  for (;;) {
    const found = await has(instance, id);
    if (found !== undefined) return found;
  }
}

/** Where it dies, and whether the transaction is committed then. */
const coordinators = process.env['HOLDFAST_TESTS'] === 'long' ? names : (['ONE'] as const);
const deaths: readonly {
  readonly who: 'coordinator' | 'participant';
  readonly place: string;
  readonly stays: boolean;
}[] = [
  { who: 'coordinator', place: 'distributed prepared', stays: false },
  { who: 'coordinator', place: 'distributed decided', stays: true },
  { who: 'coordinator', place: 'distributed committed at one', stays: true },
  { who: 'coordinator', place: 'distributed committed', stays: true },
  { who: 'participant', place: 'branch prepared', stays: false },
  { who: 'participant', place: 'branch voted', stays: true },
  { who: 'participant', place: 'branch committed', stays: true },
];

describe.each(deaths)('a $who that dies at "$place"', ({ who, place, stays }) => {
  it.each(coordinators)('takes nothing and tears nothing, coordinated by %s', async coordinator => {
    pair = await Pair.create(template.folder);
    const participant = otherOf(coordinator);
    const victim = who === 'coordinator' ? coordinator : participant;
    const survivor = otherOf(victim);
    const alive = await pair.start(survivor);
    const dying = await pair.start(victim, { dieAt: place });
    const acknowledged = await succeeds((victim === coordinator ? dying : alive).run(insertBoth(coordinator, 1)));
    await dying.ended;
    // The client of a coordinator that died heard nothing; that of a participant hears how it ended.
    expect(acknowledged).toBe(who === 'participant' && stays);
    const back = await pair.start(victim);
    expect(await Promise.all([settled(back, 1), settled(alive, 1)])).toEqual([stays, stays]);
    expect(await succeeds(alive.run(insertBoth(survivor, 2, 'BEGIN TRAN after WITH MARK')))).toBe(true);
  });
});

describe('a coordinator that dies before it decides', () => {
  it.each([
    ['the coordinator', 'ONE', 'TWO'],
    ['the participant', 'TWO', 'ONE'],
  ] as const)('leaves the other in doubt, through a restart, until it is back: first %s', async (_, first, second) => {
    pair = await Pair.create(template.folder);
    const participant = await pair.start('TWO');
    const dying = await pair.start('ONE', { dieAt: 'distributed prepared' });
    expect(await succeeds(dying.run(insertBoth('ONE', 1)))).toBe(false);
    await dying.ended;
    expect(await has(participant, 1)).toBeUndefined();
    await participant.kill();
    const started = await pair.start(first);
    if (first === 'TWO') {
      expect(await has(started, 1)).toBeUndefined();
      // Nobody else has to wait for it.
      await started.run('INSERT INTO D.dbo.t VALUES (5, 5)');
    }
    const last = await pair.start(second);
    expect(await Promise.all([settled(started, 1), settled(last, 1)])).toEqual([false, false]);
    expect(await succeeds(last.run(insertBoth(second, 2)))).toBe(true);
  });
});

it.each([
  ['ONE', 'TWO'],
  ['TWO', 'ONE'],
] as const)('a decision outlives both instances, started as %s, %s', async (first, second) => {
  pair = await Pair.create(template.folder);
  const participant = await pair.start('TWO');
  const dying = await pair.start('ONE', { dieAt: 'distributed decided' });
  await succeeds(dying.run(insertBoth('ONE', 1)));
  await dying.ended;
  await participant.kill();
  const started = await pair.start(first);
  const last = await pair.start(second);
  expect(await Promise.all([settled(started, 1), settled(last, 1)])).toEqual([true, true]);
});
