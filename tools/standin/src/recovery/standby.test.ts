/** STANDBY across open transactions, stops of the instance and a lost undo file (sqlserver.md §2.3, §9.2). */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failureOf, put, type Fixture } from '../engine/engine-fixture.ts';
import { share, startApp, type Recovery } from './recovery-fixture.ts';
import type { DatabaseState } from '../contract.ts';

const standby = { standby: `${share}\\App.undo` } as const;
const full = { kind: 'database', database: 'App', from: 'full.bak', options: { replace: true } } as const;
let fixture: Fixture;
let recovery: Recovery;

/** Transaction 2 is open when one.bak is taken and commits before two.bak: rows 1, 2 (from two.bak on), 3. */
beforeEach(async () => {
  ({ fixture, recovery } = await startApp());
  const session = fixture.session();
  const open = fixture.engine().begin(session, undefined);
  await open.insert(recovery.table('App'), [2n, 'open']);
  await recovery.write('App', 3);
  await recovery.backup('App', 'log', 'one.bak');
  await open.commit();
  await fixture.engine().detach(session);
  await recovery.backup('App', 'log', 'two.bak');
});
afterEach(() => fixture.end());

function state(): DatabaseState | undefined {
  return fixture.engine().database('App')?.state;
}

async function standAtOne(): Promise<void> {
  await recovery.restore({ ...full, recovery: standby });
  await recovery.restore({ database: 'App', from: 'one.bak', recovery: standby });
}

describe('a standby', () => {
  it('hides what was open in its log, and has it again when the log that commits it comes', async () => {
    await standAtOne();
    expect(await recovery.ids('App')).toEqual([1, 3]);
    await recovery.restore({ database: 'App', from: 'two.bak', recovery: standby });
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
    await recovery.restore({ database: 'App', recovery: 'recovery', kind: 'database' });
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });

  it('recovered here undoes for good what was open', async () => {
    await standAtOne();
    await recovery.restore({ database: 'App', recovery: 'recovery', kind: 'database' });
    expect(await recovery.ids('App')).toEqual([1, 3]);
    await fixture.restart();
    expect(await recovery.ids('App')).toEqual([1, 3]);
  });

  it('is one again after a restart, and goes on', async () => {
    await standAtOne();
    await fixture.restart();
    expect(fixture.engine().database('App')).toMatchObject({ state: 'ONLINE', inStandby: true });
    expect(await recovery.ids('App')).toEqual([1, 3]);
    const session = fixture.session();
    const transaction = fixture.engine().begin(session, undefined);
    expect(await failureOf(transaction.insert(recovery.table('App'), [9n, 'no']))).toEqual([3906]);
    await transaction.rollback();
    await recovery.restore({ database: 'App', from: 'two.bak', recovery: standby });
    await fixture.restart();
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });

  it('without its undo file is SUSPECT after a restart: only a new full helps', async () => {
    await standAtOne();
    const file = join(fixture.folder, 'share', 'App.undo');
    await copyFile(file, `${file}.kept`);
    await rm(file);
    await fixture.restart();
    expect(state()).toBe('SUSPECT');
    expect(await failureOf(fixture.engine().use(fixture.session(), 'App'))).toEqual([926]);
    const next = { database: 'App', from: 'two.bak' } as const;
    expect(await recovery.refused(recovery.restore(next))).toEqual([3441, 3013]);
    // It is looked for at the start alone (3441: "retry startup").
    await copyFile(`${file}.kept`, file);
    expect(await recovery.refused(recovery.restore(next))).toEqual([3441, 3013]);
    await fixture.restart();
    expect(await recovery.ids('App')).toEqual([1, 3]);
    await recovery.restore({ ...full, recovery: 'recovery' });
    expect(await recovery.ids('App')).toEqual([1]);
  });

  it('without its undo file takes no log, and stays readable', async () => {
    await standAtOne();
    await rm(join(fixture.folder, 'share', 'App.undo'));
    expect(await recovery.refused(recovery.restore({ database: 'App', from: 'two.bak' }))).toEqual([3441, 3013]);
    expect(await recovery.ids('App')).toEqual([1, 3]);
  });

  it('made by a tail log follows the new primary', async () => {
    await recovery.backup('App', 'log', 'tail.bak', standby);
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
    await recovery.restore({
      ...full,
      database: 'New',
      options: {
        move: [
          { logicalName: 'App', physicalName: 'D:\\Data\\New.mdf' },
          { logicalName: 'App_log', physicalName: 'D:\\Data\\New.ldf' },
        ],
      },
    });
    for (const from of ['one.bak', 'two.bak']) await recovery.restore({ database: 'New', from });
    await recovery.restore({ database: 'New', from: 'tail.bak', recovery: 'recovery' });
    await put(fixture.engine(), fixture.session(), recovery.table('New'), 4, 'there');
    await recovery.backup('New', 'log', 'back.bak');
    await recovery.restore({ database: 'App', from: 'back.bak', recovery: standby });
    expect(await recovery.ids('App')).toEqual([1, 2, 3, 4]);
  });
});
