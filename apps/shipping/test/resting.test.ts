import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { requireMarkName } from '@holdfast/domain';
import { observeMarks } from '@holdfast/sqlserver/observe';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import type { Store } from '@holdfast/store';
import { saveSet } from '../src/estate/estate-store.ts';
import { agreementOf } from '../src/standby/agreement.ts';
import type { ShippingTables } from '../src/tables.ts';
import type { SetPayload } from './estate.ts';
import { patienceMs, until } from './publisher.ts';
import { isAtRest, wayOf } from './rest-trial.ts';
import { connect, startSource } from './source.ts';
import { reseed, startStream } from './stream-trial.ts';
import { prepareWorld, readStored, removeStream, saveCopies, type StreamWorld } from './stream-world.ts';
import { names, openWorldStore, published } from './world.ts';

const reason = process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'needs the stand-in';
const suite = reason === undefined ? describe : describe.skip;
const [first, second] = names as [string, string];

jest.setTimeout(patienceMs);

suite(`a standby that rests at its mark${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let folder: string;
  const sets: SetPayload[] = [];
  let world: StreamWorld;
  let store: Store<ShippingTables>;
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-resting-'));
    const source = await startSource(folder, names);
    try {
      sets.push(await source.take('FULL'), await source.take('LOG'));
      // Only the first database has this mark, yet somebody proved it for both.
      await source.run(`BEGIN TRAN TORN WITH MARK; INSERT [${first}].dbo.MarkLog (MarkName) VALUES (N'TORN'); COMMIT;`);
      const torn = await source.take('LOG');
      const server = await connect(source.primary, closers);
      const { marks } = await observeMarks(server, [requireMarkName('TORN')]);
      const lsnOf = (name: string) => marks.find(({ databaseName }) => databaseName === name)?.lsn;
      expect(lsnOf(second)).toBeUndefined();
      const files = torn.files.map(file => ({ ...file, markLsn: lsnOf(file.databaseName) ?? file.markLsn }));
      sets.push({ ...torn, markName: 'TORN', files });
      sets.push(await source.take('FULL'), await source.take('LOG'));
    } finally {
      for (const close of closers.splice(0)) await close();
      await source.close();
    }
    world = await prepareWorld(source.backups, sets, 1, { restAtMark: true });
    store = await openWorldStore(world.folder);
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await store.close();
    await removeStream(world);
    await rm(folder, { recursive: true, force: true });
  });

  const stored = () => readStored(store, world.standbyId);
  const start = async (fencingToken: number) => {
    const running = await startStream(world, { hook: () => undefined, fencingToken }, isAtRest);
    closers.push(() => running.stop());
  };
  const ship = async (count: number) => {
    await store.transaction(async tx => {
      for (const set of sets.slice(0, count)) await saveSet(tx, set);
    });
    await saveCopies(store, world.standbyId, sets.slice(0, count), join(world.folder, 'copies'));
  };
  const atRest = (count: number) =>
    until(`at rest after ${String(count)} sets`, async () => {
      const now = await stored();
      return isAtRest(now, sets.slice(0, count)) ? now : undefined;
    });

  it('stands one slot beyond the newest common mark, and says so to everybody', async () => {
    await start(1);
    const { standby, streams } = await atRest(2);
    expect(standby).toMatchObject({ restAtMark: true, state: 'IN_SYNC', newestCommonMark: sets[1]!.markName });
    const events = await published(store);
    expect(events.findLast(({ type }) => type === 'standby.changed')?.payload).toMatchObject({
      restAtMark: true,
      newestCommonMarkName: sets[1]!.markName,
    });
    const moved = events.filter(({ type }) => type === 'stream.moved').map(({ payload }) => payload);
    for (const { id, position } of streams)
      expect(moved.findLast(({ streamId }) => streamId === id)).toMatchObject({
        position: position!.lsn,
        // Within the log the set before is still the last one behind it.
        lastRestoredSetId: sets[0]!.setId,
      });
    expect(lastRestored(streams)).toEqual([sets[0]!.setId, sets[0]!.setId]);
  });

  it('tells of a mark that is not in the file, and lets nobody follow', async () => {
    await start(2);
    await ship(3);
    const apart = await until('no common mark', async () => {
      const now = await stored();
      const told = now.standby.reasons.some(({ code }) => code === 'MARK_NOT_FOUND');
      return now.standby.state === 'NO_COMMON_MARK' && told ? now : undefined;
    });
    const { standby, streams } = apart;
    expect(standby.newestCommonMark).toBeNull();
    expect(standby.reasons.find(({ code }) => code === 'NO_COMMON_MARK')?.evidence).toContain(`ahead: ${second} at`);
    const passed = streams.find(({ databaseName }) => databaseName === second)!;
    expect(passed.reasons[0]).toMatchObject({ code: 'MARK_NOT_FOUND', message: expect.stringContaining('TORN') });
    expect(passed).toMatchObject({ state: 'BLOCKED', lastRestoredSetId: sets[2]!.setId });
    expect(agreementOf(standby.state, standby)).toMatchObject({
      agrees: false,
      cheapestRepair: { code: 'NEXT_LOG_SET' },
    });
    for (const close of closers.splice(0)) await close();
    // A look by whoever leads next says the same.
    await start(3);
    await until('still said', async () => {
      const [now] = (await stored()).streams.filter(({ databaseName }) => databaseName === second);
      return now?.reasons.some(({ code }) => code === 'MARK_NOT_FOUND') ? true : undefined;
    });
    const way = await wayOf(world);
    // Its runner has ended since, so all that it sent has too.
    expect(way[second]).toEqual(['1', '2 to BTS_2', '2', '3 to TORN']);
    expect(way[first]?.slice(0, 3)).toEqual(['1', '2 to BTS_2', '2']);
  });

  it('goes on with the next set, and nothing is left of it', async () => {
    await start(4);
    await ship(5);
    const { standby, streams } = await atRest(5);
    expect([standby.state, standby.reasons, streams.flatMap(({ reasons }) => reasons)]).toEqual(['IN_SYNC', [], []]);
    expect(agreementOf(standby.state, standby).agrees).toBe(true);
    expect(streams.map(({ missedMark }) => missedMark)).toEqual([null, null]);
  });

  it('rests there again after a reseed', async () => {
    await start(5);
    const { standby, streams } = await stored();
    const databases = streams.filter(({ databaseName }) => databaseName === second).map(one => one.databaseId);
    expect(await reseed(store, standby, { databases })).toMatchObject({ kind: 'CHANGED' });
    // The place is seen there before the restore that led to it has ended.
    const way = await until('begun again and stopped', async () => {
      const now = await wayOf(world);
      return now[second]?.includes('4') && now[second].at(-1) !== '4' ? now : undefined;
    });
    expect(way[second]?.slice(-2)).toEqual(['4', '5 to BTS_5']);
    expect(way[first]?.at(-1)).toBe('5 to BTS_5');
    await atRest(5);
  });
});

const lastRestored = (streams: readonly { readonly lastRestoredSetId: string | null }[]) =>
  streams.map(({ lastRestoredSetId }) => lastRestoredSetId);
