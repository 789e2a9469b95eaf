/** Tail logs, forks and failback (sqlserver.md §1.2, §2.7), exclusive access, and restoring databases across a stop of the instance. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEngine } from '../engine/engine.ts';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createSession,
  engineOptions,
  makeTable,
  put,
  readAll,
  startFixture,
  type Fixture,
} from '../engine/engine-fixture.ts';
import { silentSink } from '../silent-sink.ts';
import { recoveryOf, type Recovery } from './recovery-fixture.ts';
import type { Engine, RestoreStatement } from '../contract.ts';

let primary: Fixture;
let recovery: Recovery;
let next = 0;

beforeEach(async () => {
  next = 0;
  primary = await startFixture();
  recovery = recoveryOf(primary);
  const database = await primary.engine().createDatabase(primary.session(), 'App', undefined);
  await makeTable(primary.engine(), primary.session(), database);
  await write('App');
  await recovery.backup('App', 'database', 'full.bak');
  await write('App');
});
afterEach(() => primary.end());

async function write(database: string): Promise<void> {
  next += 1;
  const session = primary.session();
  await put(primary.engine(), session, recovery.table(database), next, `row ${next}`);
  await primary.engine().detach(session);
}

function copyTo(target: string): RestoreStatement['options'] {
  return {
    move: [
      { logicalName: 'App', physicalName: `D:\\Data\\${target}.mdf` },
      { logicalName: 'App_log', physicalName: `D:\\Data\\${target}.ldf` },
    ],
  };
}

function fork(name: string): string | undefined {
  return primary.engine().database(name)?.recoveryForkGuid;
}

describe('a tail log', () => {
  it('is refused while somebody is in the database, and from inside it', async () => {
    const guest = primary.session('App');
    expect(await recovery.refused(recovery.backup('App', 'log', 'tail.bak', { noRecovery: true }))).toEqual([
      3101, 3013,
    ]);
    await primary.engine().use(guest, 'master');
    expect(await recovery.refused(recovery.backup('App', 'log', 'tail.bak', { noRecovery: true }))).toEqual([]);
    expect(primary.engine().database('App')?.state).toBe('RESTORING');
    expect(await recovery.refused(primary.engine().use(guest, 'App'))).toEqual([927]);
    expect(await recovery.refused(recovery.backup('App', 'log', 'more.bak'))).toEqual([927, 3013]);
  });

  it('applied in full keeps the path: the old primary follows the new one without a new full', async () => {
    await recovery.restore({ kind: 'database', database: 'Standby', from: 'full.bak', options: copyTo('Standby') });
    await recovery.backup('App', 'log', 'tail.bak', { noRecovery: true });
    await recovery.restore({ database: 'Standby', from: 'tail.bak', recovery: 'recovery' });
    expect(fork('Standby')).toBe(fork('App'));
    await write('Standby');
    await recovery.backup('Standby', 'log', 'back.bak');
    await recovery.restore({ database: 'App', from: 'back.bak', recovery: 'recovery' });
    expect(await recovery.values('App')).toEqual(await recovery.values('Standby'));
  });
});

describe('a database that is being restored for the first time', () => {
  it('is in use for another RESTORE, and there for a CREATE DATABASE that waits for it', async () => {
    const restore = (): Promise<readonly number[]> =>
      recovery.refused(
        recovery.restore({ kind: 'database', database: 'New', from: 'full.bak', options: copyTo('New') }),
      );
    const [first, second, made] = await Promise.all([
      restore(),
      restore(),
      recovery.refused(primary.engine().createDatabase(primary.session(), 'NEW', undefined)),
    ]);
    expect([first, second, made]).toEqual([[], [3101, 3013], [1801]]);
    expect(primary.engine().database('New')?.state).toBe('RESTORING');
  });
});

describe('a recovery short of the end', () => {
  it('starts a fork that the old path cannot follow, and whose first log names both', async () => {
    await recovery.restore({
      kind: 'database',
      database: 'Standby',
      from: 'full.bak',
      options: copyTo('Standby'),
      recovery: 'recovery',
    });
    await recovery.restore({ kind: 'database', database: 'Third', from: 'full.bak', options: copyTo('Third') });
    await recovery.backup('App', 'log', 'old-path.bak');
    expect(fork('Standby')).not.toBe(fork('App'));
    await write('Standby');
    await recovery.backup('Standby', 'log', 'new-path.bak');
    const header = await recovery.header('new-path.bak');
    expect(header['FirstRecoveryForkID']).toBe(fork('App'));
    expect(header['RecoveryForkID']).toBe(fork('Standby'));
    expect(header['ForkPointLSN']).toBe(header['FirstLSN']);
    await recovery.backup('Standby', 'log', 'new-path-2.bak');
    expect((await recovery.header('new-path-2.bak'))['ForkPointLSN']).toBeNull();

    await recovery.restore({ database: 'Third', from: 'old-path.bak' });
    expect(await recovery.refused(recovery.restore({ database: 'Third', from: 'new-path.bak' }))).toEqual([4330, 3013]);
    await recovery.restore({ kind: 'database', database: 'Fourth', from: 'full.bak', options: copyTo('Fourth') });
    await recovery.restore({ database: 'Fourth', from: 'new-path.bak', recovery: 'recovery' });
    expect(await recovery.values('Fourth')).toEqual(await recovery.values('Standby'));
  });
});

describe('an open transaction', () => {
  it('is rolled forward when its commit follows in the next log, and undone when it does not', async () => {
    const session = primary.session();
    const open = primary.engine().begin(session, undefined);
    await open.insert(recovery.table('App'), [100n, 'open']);
    await recovery.backup('App', 'database', 'open.bak');
    await recovery.backup('App', 'log', 'log1.bak');
    await open.commit();
    await recovery.backup('App', 'log', 'log2.bak');
    for (const [target, logs] of [
      ['Short', ['log1.bak']],
      ['Long', ['log1.bak', 'log2.bak']],
    ] as const) {
      await recovery.restore({ kind: 'database', database: target, from: 'open.bak', options: copyTo(target) });
      for (const from of logs) await recovery.restore({ database: target, from });
      await recovery.restore({ kind: 'database', database: target, recovery: 'recovery' });
    }
    const ids = async (name: string): Promise<readonly unknown[]> => (await recovery.values(name)).map(row => row[0]);
    expect(await ids('Short')).toEqual([1n, 2n]);
    expect(await ids('Long')).toEqual([1n, 2n, 100n]);
  });
});

describe('an idle database', () => {
  it('gives a log with first = last, which may be applied without effect', async () => {
    await recovery.backup('App', 'log', 'one.bak');
    await recovery.backup('App', 'log', 'two.bak');
    const header = await recovery.header('two.bak');
    expect(header['FirstLSN']).toBe(header['LastLSN']);
    await recovery.restore({ kind: 'database', database: 'S', from: 'full.bak', options: copyTo('S') });
    await recovery.restore({ database: 'S', from: 'one.bak' });
    expect(await recovery.refused(recovery.restore({ database: 'S', from: 'two.bak' }))).toEqual([]);
  });
});

describe('a restoring database', () => {
  /** Starts a second instance on a copy of the files as they are on disk now: what a killed one would find. */
  async function afterCrash(): Promise<Engine> {
    const folder = join(primary.folder, 'copy');
    for (const name of ['instance', 'data', 'share'])
      await cp(join(primary.folder, name), join(folder, name), { recursive: true });
    return createEngine(engineOptions(folder));
  }

  it('keeps its position and what it needs to go on through a crash', async () => {
    await recovery.backup('App', 'log', 'one.bak');
    await write('App');
    await recovery.backup('App', 'log', 'two.bak');
    await recovery.restore({ kind: 'database', database: 'S', from: 'full.bak', options: copyTo('S') });
    await recovery.restore({ database: 'S', from: 'one.bak' });
    const engine = await afterCrash();
    expect(engine.database('S')?.state).toBe('RESTORING');
    expect(engine.database('S')?.redoStart).toEqual(primary.engine().database('S')?.redoStart);
    const session = createSession(engine, 51, 'master');
    const devices = [{ type: 'disk', path: '\\\\share\\bts\\two.bak' }] as const;
    await engine.restore(
      session,
      { kind: 'log', database: 'S', devices, recovery: 'recovery', options: {} },
      silentSink,
    );
    const table = engine.database('S')?.table('dbo', 't');
    if (table === undefined) throw new Error('the table is gone');
    expect(await readAll(engine, session, table)).toEqual(await recovery.values('App'));
    await engine.close();
  });

  it('refuses a stop behind its position after a restart as before it, and stays where it is', async () => {
    await recovery.backup('App', 'log', 'one.bak');
    await write('App');
    await recovery.backup('App', 'log', 'two.bak');
    await recovery.restore({ kind: 'database', database: 'S', from: 'full.bak', options: copyTo('S') });
    await recovery.restore({ database: 'S', from: 'one.bak' });
    const position = primary.engine().database('S')?.redoStart;
    await primary.restart();
    const options = { stop: { kind: 'at time', time: '2020-01-01T00:00:00' } } as const;
    for (const from of ['one.bak', 'two.bak'])
      expect(await recovery.refused(recovery.restore({ database: 'S', from, options }))).toEqual([4335, 3013]);
    expect(primary.engine().database('S')?.redoStart).toEqual(position);
  });
});
