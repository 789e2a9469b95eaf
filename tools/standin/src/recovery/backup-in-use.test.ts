/** Who backs a database up is in it. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { collect, failureOf, makeTable, put, startFixture, type Fixture } from '../engine/engine-fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(() => fixture.end());

it('DROP is refused, and OFFLINE WITH ROLLBACK IMMEDIATE ends the backup', async () => {
  const engine = fixture.engine();
  const database = await engine.createDatabase(fixture.session(), 'Busy', undefined);
  const table = await makeTable(engine, fixture.session(), database);
  for (let id = 0; id < 200; id += 1) await put(engine, fixture.session(), table, id, 'x');
  let begun = (): void => undefined;
  const running = new Promise<void>(resolve => {
    begun = resolve;
  });
  let goOn = (): void => undefined;
  const held = new Promise<void>(resolve => {
    goOn = resolve;
  });
  const writer = fixture.session();
  const devices = [{ type: 'disk', path: '\\\\share\\bts\\busy.bak' }] as const;
  const backup = failureOf(
    engine.backup(
      writer,
      { kind: 'database', database: 'Busy', devices, options: { stats: 1 } },
      collect(() => {
        begun();
        return held;
      }),
    ),
  ).catch((failure: unknown) => failure);
  await running;
  expect(await failureOf(engine.dropDatabase(fixture.session(), 'Busy'))).toEqual([3702]);
  const offline = engine.alterDatabase(
    fixture.session(),
    { database: 'Busy', set: { option: 'OFFLINE' }, termination: { kind: 'rollback immediate' } },
    collect(),
  );
  expect(database.state).toBe('ONLINE');
  goOn();
  await offline;
  expect(writer.killed()).toBe(true);
  await backup;
  expect(engine.database('Busy')?.state).toBe('OFFLINE');
  expect(database.differentialBase).toBeUndefined();
});
