/** SET OFFLINE WITH ROLLBACK IMMEDIATE beside transactions that another instance decides about (sqlserver.md §9.2, §9.3). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGroup, type Group, type Member } from './group-fixture.ts';

let group: Group;
let one: Member;
let two: Member;

beforeAll(async () => {
  group = await startGroup();
  [one, two] = [await group.start('ONE'), await group.start('TWO')];
  for (const member of [one, two]) {
    await member.rows('CREATE DATABASE D');
    await member.rows('CREATE TABLE D.dbo.t (id int NOT NULL PRIMARY KEY)');
  }
  await one.engine.linked.add({ name: 'TWO', product: 'SQL Server', dataSource: 'TWO' });
}, 30_000);
afterAll(() => group.end());

const offline = 'ALTER DATABASE D SET OFFLINE WITH ROLLBACK IMMEDIATE';
const both = (id: number): string =>
  `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; INSERT D.dbo.t VALUES (${id}); INSERT TWO.D.dbo.t VALUES (${id}); COMMIT`;
const waits = (member: Member): boolean =>
  member.engine.locks().some(({ resourceType, status }) => resourceType === 'DATABASE' && status === 'WAIT');

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise(resolve => setImmediate(resolve));
}

/** Holds the outcome of prepared parts back at TWO. */
function holdOutcome(): { readonly prepared: () => boolean; release(): void } {
  const { branches } = two.engine;
  const settle = branches.settle.bind(branches);
  let open = (): void => undefined;
  const held = new Promise<void>(resolve => {
    open = resolve;
  });
  branches.settle = async (decision, outcome) => {
    await held;
    await settle(decision, outcome);
  };
  return {
    prepared: () => branches.inDoubt().length > 0,
    release: () => {
      branches.settle = settle;
      open();
    },
  };
}

describe('a prepared part', () => {
  it('is waited for, whoever decides: the wait can be cancelled, and the outcome is kept', async () => {
    const outcome = holdOutcome();
    const work = one.run(both(1), one.session());
    await until(outcome.prepared);
    const impatient = two.session();
    const cancelled = two.run(offline, impatient).catch(() => undefined);
    await until(() => waits(two));
    impatient.abort('attention');
    await cancelled;
    expect(await two.rows("SELECT state_desc FROM sys.databases WHERE name = 'D'")).toEqual([['ONLINE']]);
    const patient = two.errors(offline, two.session());
    await until(() => waits(two));
    outcome.release();
    expect(await patient).toEqual([]);
    await work;
    expect(await two.errors('SELECT id FROM D.dbo.t', two.session())).toEqual([942]);
    await two.rows('ALTER DATABASE D SET ONLINE WITH ROLLBACK IMMEDIATE');
    expect(await two.rows('SELECT id FROM D.dbo.t')).toEqual(await one.rows('SELECT id FROM D.dbo.t'));
    expect(two.mistakes).toEqual([]);
  });
});

describe('a part that is not prepared', () => {
  it('is rolled back, and with it the whole transaction', async () => {
    const session = one.session();
    await one.rows('SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; INSERT TWO.D.dbo.t VALUES (2)', session);
    await one.rows('INSERT D.dbo.t VALUES (2)', session);
    expect(await two.errors(offline, two.session())).toEqual([]);
    expect((await one.errors('COMMIT', session)).length).toBeGreaterThan(0);
    await one.errors('IF @@TRANCOUNT > 0 ROLLBACK', session);
    await two.rows('ALTER DATABASE D SET ONLINE');
    for (const member of [one, two])
      expect(await member.rows('SELECT COUNT(*) FROM D.dbo.t WHERE id = 2')).toEqual([[0]]);
  });
});
