import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkpointEnded, truncateLog } from './checkpoint.ts';
import { collect, makeTable, readAll, startFixture, type Fixture } from './engine-fixture.ts';
import { recoveryOf } from '../recovery/recovery-fixture.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Lsn } from '../contract.ts';

/** Where the log of a database with these two ideas of its chain is cut. */
async function cutAt(now: Lsn | undefined, saved: Lsn | undefined): Promise<Lsn | undefined> {
  let cut: Lsn | undefined;
  const chain = (lastLogBackupLsn: Lsn | undefined) => ({ recoveryModel: 'FULL', lastLogBackupLsn });
  await truncateLog({
    redoNeedsLsn: 90n,
    backupsFrom: new Set<Lsn>(),
    description: chain(now),
    saved: chain(saved),
    log: { truncateBefore: async (lsn: Lsn) => void (cut = lsn) },
  } as unknown as StoredDatabase);
  return cut;
}

it('keeps the log that a chain needs until its new place is on the disk', async () => {
  expect(await cutAt(50n, 30n)).toBe(30n);
  expect(await cutAt(undefined, 30n)).toBe(30n);
  expect(await cutAt(50n, 50n)).toBe(50n);
  expect(await cutAt(undefined, undefined)).toBe(90n);
});

describe('a checkpoint under way', () => {
  let fixture: Fixture;
  beforeEach(async () => {
    fixture = await startFixture();
  });
  afterEach(() => fixture.end());

  /** App with one row in app.bak; then so much work that a checkpoint starts by itself. */
  async function busyDatabase(): Promise<ReturnType<typeof recoveryOf>> {
    const engine = fixture.engine();
    const session = fixture.session();
    const recovery = recoveryOf(fixture);
    const table = await makeTable(engine, session, await engine.createDatabase(session, 'App', undefined));
    await recovery.backup('App', 'database', 'app.bak');
    const transaction = engine.begin(session, undefined);
    for (let id = 1; id <= 1500; id += 1) await transaction.insert(table, [BigInt(id), 'x'.repeat(4000)]);
    await transaction.commit();
    return recovery;
  }

  it('does not put its rows into the files of a database that was restored meanwhile', async () => {
    const recovery = await busyDatabase();
    const replaced = fixture.engine().database('App') as StoredDatabase;
    const options = { replace: true };
    await recovery.restore({ kind: 'database', database: 'App', from: 'app.bak', recovery: 'recovery', options });
    await checkpointEnded(replaced);
    const engine = await fixture.restart();
    expect(engine.database('App')?.state).toBe('ONLINE');
    expect(await readAll(engine, fixture.session(), recovery.table('App'))).toEqual([]);
  });

  it('does not bring the files of a dropped database back', async () => {
    await busyDatabase();
    const dropped = fixture.engine().database('App') as StoredDatabase;
    await fixture.engine().dropDatabase(fixture.session(), 'App');
    await checkpointEnded(dropped);
    await fixture.engine().createDatabase(fixture.session(), 'App', undefined);
    const statement = { database: 'App', set: { option: 'OFFLINE' } } as const;
    await fixture.engine().alterDatabase(fixture.session(), statement, collect());
  });
});
