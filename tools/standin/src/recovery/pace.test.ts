/** The fault `restore-pace`. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { collect, makeTable, put, startFixture, type Fixture } from '../engine/engine-fixture.ts';
import { RequestAborted } from '../engine/request-aborted.ts';
import { FaultSwitches } from '../faults/fault-switches.ts';
import type { RestorePace } from '../faults/media-faults.ts';
import { recoveryOf, type Recovery } from './recovery-fixture.ts';

const names = ['One', 'Two'];
/** Longer than any test runs. */
const endless: RestorePace = { bytesPerSecond: 1, msPerStatement: 3_600_000 };

const faults = new FaultSwitches();
const set = (parameters: RestorePace): unknown => faults.set({ name: 'restore-pace', parameters });
const clear = (): unknown => faults.clear('restore-pace');

let fixture: Fixture;
let recovery: Recovery;

beforeAll(async () => {
  fixture = await startFixture({ faults });
  recovery = recoveryOf(fixture);
  for (const name of names) {
    const database = await fixture.engine().createDatabase(fixture.session(), name, undefined);
    const table = await makeTable(fixture.engine(), fixture.session(), database);
    await recovery.backup(name, 'database', `${name}.bak`);
    await put(fixture.engine(), fixture.session(), table, 1, 'x'.repeat(2_000));
    await recovery.backup(name, 'log', `${name}.trn`);
    await restoreFull(name);
  }
});
afterAll(() => fixture.end());

const restoreFull = (database: string) =>
  recovery.restore({ kind: 'database', database, from: `${database}.bak`, options: { replace: true } });

/** RESTORE LOG in a session of its own; `begun` once it has said how far it is. */
function rollForward(database: string) {
  const { promise: begun, resolve } = Promise.withResolvers<undefined>();
  const session = fixture.session();
  const statement = {
    kind: 'log',
    database,
    devices: [{ type: 'disk', path: `\\\\share\\bts\\${database}.trn` }],
    recovery: 'norecovery',
    options: { stats: 1 },
  } as const;
  const sink = collect(async () => resolve(undefined));
  const ended = fixture.engine().restore(session, statement, sink);
  ended.catch(() => undefined);
  return { session, ended, begun };
}

const positionOf = (database: string) => fixture.engine().database(database)?.redoStart?.lsn;

it('holds the sessions that restore, and nobody else, until it is cleared', async () => {
  const before = names.map(positionOf);
  // The first percent comes soon, the last one never.
  set({ bytesPerSecond: 1e12, msPerStatement: 10_000 });
  const both = names.map(rollForward);
  await Promise.all(both.map(({ begun }) => begun));
  set(endless);
  const other = await fixture.engine().createDatabase(fixture.session(), 'Other', undefined);
  expect(other.state).toBe('ONLINE');
  expect(names.map(positionOf)).toEqual(before);
  clear();
  await Promise.all(both.map(({ ended }) => ended));
  for (const [at, name] of names.entries()) expect(positionOf(name)).toBeGreaterThan(before[at] ?? 0n);
});

it('is left by a cancel, with the database where it was', async () => {
  await restoreFull('One');
  const before = positionOf('One');
  set(endless);
  const { session, ended } = rollForward('One');
  session.abort('attention');
  await expect(ended).rejects.toThrow(RequestAborted);
  expect(positionOf('One')).toBe(before);
  const recovering = recovery.restore({ kind: 'database', database: 'One', recovery: 'recovery' });
  expect(fixture.engine().database('One')?.state).toBe('RESTORING');
  clear();
  await recovering;
  expect(fixture.engine().database('One')?.state).toBe('ONLINE');
});

it('takes what the bytes and the statement take', async () => {
  clear();
  await restoreFull('Two');
  set({ bytesPerSecond: 20_000, msPerStatement: 30 });
  const startedAt = performance.now();
  await rollForward('Two').ended;
  // A row of 2,000 characters of two bytes, and little beside it.
  expect(performance.now() - startedAt).toBeGreaterThan(30 + 200);
  clear();
});
