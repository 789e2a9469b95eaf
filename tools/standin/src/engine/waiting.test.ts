/** What waits for a database finds what became of it meanwhile, and nothing that is gone (sqlserver.md §9.2, §9.3). */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { collect, failureOf, type Collected, type Fixture } from './engine-fixture.ts';
import { share, startApp, type Recovery } from '../recovery/recovery-fixture.ts';
import { silentSink } from '../silent-sink.ts';
import type { AlterDatabaseStatement, Database } from '../contract.ts';

const full = { kind: 'database', database: 'App', from: 'full.bak', options: { replace: true } } as const;
let fixture: Fixture;
let recovery: Recovery;

/** Row 1 is in the full, row 2 in no backup. */
beforeEach(async () => {
  ({ fixture, recovery } = await startApp());
  await recovery.write('App', 2);
});
afterEach(() => fixture.end());

function app(): Database | undefined {
  return fixture.engine().database('App');
}

function alter(set: AlterDatabaseStatement['set']): Promise<void> {
  return fixture.engine().alterDatabase(fixture.session(), { database: 'App', set }, silentSink);
}

function backUpLog(
  file: string,
  options = {},
  session = fixture.session(),
  sink: Collected = collect(),
): Promise<void> {
  const devices = [{ type: 'disk', path: `${share}\\${file}` }] as const;
  return fixture.engine().backup(session, { kind: 'log', database: 'App', devices, options }, sink);
}

/** A sink that stops a statement where it first tells something. */
function holding(): { readonly sink: Collected; readonly reached: Promise<unknown>; readonly letGo: () => void } {
  const [reached, held] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  const sink = collect(() => {
    reached.resolve(undefined);
    return held.promise;
  });
  return { sink, reached: reached.promise, letGo: () => held.resolve(undefined) };
}

describe('behind a RESTORE that replaces the database', () => {
  it('USE, a change and a backup are 927, not those of what is gone', async () => {
    const engine = fixture.engine();
    const [guest, writer] = [fixture.session(), fixture.session()];
    const old = recovery.table('App');
    const restoring = recovery.restore({ ...full, recovery: 'norecovery' });
    const transaction = engine.begin(writer, undefined);
    const waiting = [
      failureOf(engine.use(guest, 'App')),
      failureOf(transaction.insert(old, [9n, 'lost'])),
      failureOf(backUpLog('late.bak')),
    ];
    await restoring;
    expect(await Promise.all(waiting)).toEqual([[927], [927], [927, 3013]]);
    expect(guest.database.name).toBe('master');
    // Nor do they keep anybody out who waited in vain.
    await recovery.restore({ kind: 'database', database: 'App', recovery: 'recovery' });
    await transaction.rollback();
    expect(await recovery.ids('App')).toEqual([1]);
  });

  it('OFFLINE and READ_ONLY are 5052, and the database is what the RESTORE made', async () => {
    const restoring = recovery.restore({ ...full, recovery: 'norecovery' });
    const waiting = [failureOf(alter({ option: 'OFFLINE' })), failureOf(alter({ option: 'READ_ONLY' }))];
    await restoring;
    expect(await Promise.all(waiting)).toEqual([
      [5052, 5069],
      [5052, 5069],
    ]);
    expect(app()).toMatchObject({ state: 'RESTORING', readOnly: false });
  });

  it('nobody gets in before it is recovered', async () => {
    const restoring = recovery.restore({ ...full, recovery: 'recovery' });
    const guest = fixture.session();
    const entering = failureOf(fixture.engine().use(guest, 'App'));
    await restoring;
    expect(await entering).toEqual([927]);
    await fixture.engine().use(guest, 'App');
    expect(guest.database).toBe(app());
    expect(await recovery.ids('App')).toEqual([1]);
  });
});

describe('SET ONLINE', () => {
  it('twice at once opens the database once: what was written in between stays', async () => {
    await alter({ option: 'OFFLINE' });
    const [one, two] = [alter({ option: 'ONLINE' }), alter({ option: 'ONLINE' })];
    await one;
    const opened = app();
    await Promise.all([two, recovery.write('App', 3)]);
    expect(app()).toBe(opened);
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
    await fixture.restart();
    expect(await recovery.ids('App')).toEqual([1, 2, 3]);
  });

  it('keeps a RESTORE out as whoever uses the database does', async () => {
    await alter({ option: 'OFFLINE' });
    const online = alter({ option: 'ONLINE' });
    expect(await recovery.refused(recovery.restore({ ...full, recovery: 'recovery' }))).toEqual([3101, 3013]);
    await online;
    expect(await recovery.ids('App')).toEqual([1, 2]);
  });
});

describe('BACKUP LOG', () => {
  /** As much log as makes a backup tell how far it is. */
  beforeEach(async () => {
    const session = fixture.session();
    const transaction = fixture.engine().begin(session, undefined);
    for (let id = 100; id < 700; id += 1)
      await transaction.insert(recovery.table('App'), [BigInt(id), 'x'.repeat(100)]);
    await transaction.commit();
    await fixture.engine().detach(session);
  });

  it('does not mend the chain that SET RECOVERY SIMPLE breaks while it runs', async () => {
    const { sink, reached, letGo } = holding();
    const running = backUpLog('one.bak', { stats: 1 }, fixture.session(), sink);
    await reached;
    await alter({ option: 'RECOVERY', model: 'SIMPLE' });
    letGo();
    await running;
    await alter({ option: 'RECOVERY', model: 'FULL' });
    expect(await failureOf(backUpLog('two.bak'))).toEqual([4214, 3013]);
  });

  it('that waits for another one can be cancelled, and has not touched its file', async () => {
    await backUpLog('kept.bak');
    const { sink, reached, letGo } = holding();
    const first = backUpLog('one.bak', { stats: 1 }, fixture.session(), sink);
    await reached;
    const waiter = fixture.session();
    const second = backUpLog('kept.bak', { format: true, init: true }, waiter);
    waiter.abort('attention');
    await expect(second).rejects.toThrow('aborted');
    letGo();
    await first;
    expect(await recovery.headers('kept.bak')).toHaveLength(1);
  });
});

describe('two that make databases at once', () => {
  const files = [
    { logicalName: 'd', physicalName: 'D:\\Data\\same.mdf', type: 'D', sizeBytes: 8_388_608n, fileId: 1 },
    { logicalName: 'l', physicalName: 'D:\\Data\\same.ldf', type: 'L', sizeBytes: 8_388_608n, fileId: 2 },
  ] as const;
  const move = [
    { logicalName: 'App', physicalName: 'D:\\Data\\same.mdf' },
    { logicalName: 'App_log', physicalName: 'D:\\Data\\same.ldf' },
  ];
  const copy = (database: string): Promise<readonly number[]> =>
    recovery.refused(recovery.restore({ kind: 'database', database, from: 'full.bak', options: { move } }));
  const create = (name: string): Promise<readonly number[]> =>
    failureOf(fixture.engine().createDatabase(fixture.session(), name, files));

  it('of the same files: the second RESTORE is 1834', async () => {
    const outcomes = await Promise.all([copy('One'), copy('Two')]);
    // Of both files, or of the second alone when the first was looked at before the other statement had it.
    expect(outcomes.map(numbers => [...new Set(numbers)]).toSorted()).toEqual([[], [1834, 3156, 3119, 3013]]);
  });

  it('of the same files: the second CREATE is 5170', async () => {
    expect((await Promise.all([create('One'), create('Two')])).toSorted()).toEqual([[], [5170, 1802]]);
  });

  it('of the same files: a RESTORE beside a CREATE, either is refused', async () => {
    const [created, restored] = await Promise.all([create('One'), copy('Two')]);
    expect([created, restored].filter(each => each.length === 0)).toHaveLength(1);
    expect(
      fixture
        .engine()
        .databases()
        .filter(({ name }) => name === 'One' || name === 'Two'),
    ).toHaveLength(1);
  });
});
