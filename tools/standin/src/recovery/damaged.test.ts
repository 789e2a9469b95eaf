/** Databases whose files were lost or spoilt while the instance was down, and the tail of their log (sqlserver.md §1.2, §9.2). */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failureOf, type Fixture } from '../engine/engine-fixture.ts';
import { silentSink } from '../silent-sink.ts';
import { share, startApp, type Recovery } from './recovery-fixture.ts';
import type { Database } from '../contract.ts';

const full = { kind: 'database', database: 'App', from: 'full.bak', options: { replace: true } } as const;
let fixture: Fixture;
let recovery: Recovery;

/** Row 1 is in the full, row 2 in the first log, row 3 in no backup. */
beforeEach(async () => {
  ({ fixture, recovery } = await startApp());
  await recovery.write('App', 2);
  await recovery.backup('App', 'log', 'one.bak');
  await recovery.write('App', 3);
});
afterEach(() => fixture.end());

function app(): Database | undefined {
  return fixture.engine().database('App');
}

function fileOf(type: 'mdf' | 'ldf'): string {
  return join(fixture.folder, 'instance', 'DATA', type === 'mdf' ? 'App.mdf' : 'App_log.ldf');
}

/** Stops the instance, moves the file away, starts it. */
async function lose(type: 'mdf' | 'ldf'): Promise<void> {
  await fixture.restart(() => rename(fileOf(type), `${fileOf(type)}.away`));
}

async function findAgain(type: 'mdf' | 'ldf'): Promise<void> {
  await fixture.restart(() => rename(`${fileOf(type)}.away`, fileOf(type)));
}

const tail = (): Promise<unknown> => recovery.backup('App', 'log', 'tail.bak', { noTruncate: true });

describe('a database without its data file', () => {
  it('is RECOVERY_PENDING and cannot be entered or backed up', async () => {
    await lose('mdf');
    expect(app()?.state).toBe('RECOVERY_PENDING');
    expect(await failureOf(fixture.engine().use(fixture.session(), 'App'))).toEqual([945]);
    expect(await recovery.refused(recovery.backup('App', 'database', 'no.bak'))).toEqual([945, 3013]);
    expect(await recovery.refused(recovery.backup('App', 'log', 'no.bak'))).toEqual([945, 3013]);
    expect(await recovery.refused(recovery.backup('App', 'log', 'no.bak', { noRecovery: true }))).toEqual([945, 3013]);
  });

  it('gives the tail of its log to NO_TRUNCATE, and nothing is lost', async () => {
    const before = app()?.lastLogBackupLsn;
    await lose('mdf');
    await tail();
    expect(app()).toMatchObject({ state: 'RECOVERY_PENDING', lastLogBackupLsn: before });
    const [one, last] = [await recovery.header('one.bak'), await recovery.header('tail.bak')];
    expect(last).toMatchObject({ FirstLSN: one['LastLSN'], IsCopyOnly: true, CheckpointLSN: one['CheckpointLSN'] });
    await recovery.restore(full);
    await recovery.restore({ database: 'App', from: 'one.bak' });
    await recovery.restore({ database: 'App', from: 'tail.bak', recovery: 'recovery' });
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });

  it('gives the same tail twice: its chain does not move', async () => {
    await lose('mdf');
    await tail();
    await recovery.backup('App', 'log', 'again.bak', { noTruncate: true });
    const [tailed, again] = [await recovery.header('tail.bak'), await recovery.header('again.bak')];
    expect([again['FirstLSN'], again['LastLSN']]).toEqual([tailed['FirstLSN'], tailed['LastLSN']]);
  });

  it('is ONLINE again with its file, after another start or by ALTER DATABASE', async () => {
    await lose('mdf');
    await fixture.restart();
    expect(app()?.state).toBe('RECOVERY_PENDING');
    await findAgain('mdf');
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
    await lose('mdf');
    await rename(`${fileOf('mdf')}.away`, fileOf('mdf'));
    const online = { database: 'App', set: { option: 'ONLINE' } } as const;
    await fixture.engine().alterDatabase(fixture.session(), online, silentSink);
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
    await recovery.write('App', 4);
    await recovery.backup('App', 'log', 'two.bak');
    await fixture.restart();
    expect(await recovery.ids('App')).toEqual([1, 2, 3, 4]);
  });

  it('takes nothing but a full when it waited for logs, and waits again with its file', async () => {
    await recovery.restore(full);
    await lose('mdf');
    expect(app()?.state).toBe('RECOVERY_PENDING');
    const log = { database: 'App', from: 'one.bak' } as const;
    expect(await recovery.refused(recovery.restore(log))).toEqual([945, 3013]);
    expect(await recovery.refused(recovery.restore({ kind: 'database', database: 'App' }))).toEqual([945, 3013]);
    expect(await recovery.refused(tail())).toEqual([50000, 3013]);
    await findAgain('mdf');
    expect(app()?.state).toBe('RESTORING');
    await recovery.restore({ ...log, recovery: 'recovery' });
    expect(await recovery.ids('App')).toEqual([1, 2]);
  });
});

describe('a database with a spoilt data file', () => {
  it('is SUSPECT and gives the tail of its log', async () => {
    await fixture.restart(() => writeFile(fileOf('mdf'), 'nothing of ours'));
    expect(app()?.state).toBe('SUSPECT');
    expect(await recovery.refused(recovery.backup('App', 'log', 'no.bak'))).toEqual([926, 3013]);
    await tail();
    await recovery.restore(full);
    await recovery.restore({ database: 'App', from: 'one.bak' });
    await recovery.restore({ database: 'App', from: 'tail.bak', recovery: 'recovery' });
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });
});

describe('a database without its log file', () => {
  it('has no tail to give: 3446', async () => {
    await lose('ldf');
    expect(app()?.state).toBe('RECOVERY_PENDING');
    expect(await recovery.refused(tail())).toEqual([3446, 3013]);
    await findAgain('ldf');
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });
});

describe('NO_TRUNCATE', () => {
  it('of a damaged database asks for the recovery model and the chain as ever', async () => {
    await fixture.engine().createDatabase(fixture.session(), 'New', undefined);
    const file = fileOf('mdf').replace('App', 'New');
    await fixture.restart(() => rename(file, `${file}.away`));
    expect(await recovery.refused(recovery.backup('New', 'log', 'no.bak', { noTruncate: true }))).toEqual([4214, 3013]);
  });

  it('with NORECOVERY leaves a healthy database RESTORING at the end of its log', async () => {
    await recovery.backup('App', 'log', 'tail.bak', { noTruncate: true, noRecovery: true });
    expect(app()?.state).toBe('RESTORING');
    await recovery.restore({ kind: 'database', database: 'App', recovery: 'recovery' });
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });

  it('with NORECOVERY leaves a damaged one RESTORING, without REPLACE for the full that follows', async () => {
    await lose('mdf');
    await recovery.backup('App', 'log', 'tail.bak', { noTruncate: true, noRecovery: true });
    expect(app()?.state).toBe('RESTORING');
    await fixture.restart();
    expect(app()?.state).toBe('RESTORING');
    expect(await recovery.refused(recovery.restore({ database: 'App', from: 'tail.bak' }))).toEqual([4319, 3013]);
    await recovery.restore({ ...full, options: {} });
    await recovery.restore({ database: 'App', from: 'one.bak' });
    await recovery.restore({ database: 'App', from: 'tail.bak', recovery: 'recovery' });
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });

  it('with STANDBY is not built for a damaged one', async () => {
    await lose('mdf');
    const work = recovery.backup('App', 'log', 'tail.bak', { noTruncate: true, standby: `${share}\\App.undo` });
    expect(await recovery.refused(work)).toEqual([50000, 3013]);
  });
});
