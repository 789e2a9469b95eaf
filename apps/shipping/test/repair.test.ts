import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { newId } from '@holdfast/service';
import { runTraced, untraced } from '@holdfast/service/tracing';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import type { Store } from '@holdfast/store';
import { saveSet } from '../src/estate/estate-store.ts';
import { agreementOf } from '../src/standby/agreement.ts';
import { pauseStandby, resumeStandby } from '../src/standby/pause-commands.ts';
import { claimStandby, releaseStandby } from '../src/standby/standby-commands.ts';
import { findTrace } from '../src/standby/standby-store.ts';
import type { ShippingTables } from '../src/tables.ts';
import type { SetPayload } from './estate.ts';
import { patienceMs, until } from './publisher.ts';
import { startSource } from './source.ts';
import { isSettled, reseed, startStream } from './stream-trial.ts';
import { prepareWorld, readStored, removeStream, saveCopies, type Stored, type StreamWorld } from './stream-world.ts';
import { dependenciesOf, names, openWorldStore, operator, sentByShipping } from './world.ts';

const reason = process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'needs the stand-in';
const suite = reason === undefined ? describe : describe.skip;
const [first, second] = names as [string, string];

jest.setTimeout(patienceMs);

suite(`a backup that cannot be restored${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let folder: string;
  let backups: string;
  const sets: SetPayload[] = [];
  let world: StreamWorld;
  let store: Store<ShippingTables>;
  const closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-repair-'));
    const source = await startSource(folder, names);
    ({ backups } = source);
    for (const type of ['FULL', 'LOG', 'LOG', 'FULL', 'LOG'] as const) sets.push(await source.take(type));
    await source.close();
    await rot(join(backups, `${second}_LOG_2.bak`));
    world = await prepareWorld(backups, sets, 2);
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
    const running = await startStream(world, { hook: () => undefined, fencingToken }, isSettled);
    closers.push(() => running.stop());
    return running;
  };
  const trace = () => store.read(db => findTrace(db, world.standbyId));
  const ofSecond = ({ streams }: Stored) => streams.find(({ databaseName }) => databaseName === second)!;
  const restoresSent = async () =>
    (await sentByShipping(join(world.folder, 'standby')))
      .filter(({ text, outcome }) => text.startsWith('RESTORE') && text.includes(' FROM DISK') && outcome === 'ok')
      .map(({ text }) => [/\[(\w+)\]/.exec(text)?.[1], /(FULL|LOG)_\d/.exec(text)?.[0], text.includes('REPLACE')]);

  it('blocks its stream with the file and the set, and a reseed is named as the repair', async () => {
    await start(1);
    const blocked = await until('blocked', async () => {
      const now = await stored();
      return ofSecond(now).reasons.some(({ code }) => code === 'BACKUP_DAMAGED') ? now : undefined;
    });
    const { state, reasons } = ofSecond(blocked);
    expect(state).toBe('BLOCKED');
    expect(reasons[0]).toMatchObject({
      message: expect.stringContaining('in set 2'),
      evidence: expect.stringMatching(/LOG_2\.bak: .*3203/),
    });
    expect(agreementOf(blocked.standby.state, blocked.standby, [second]).cheapestRepair).toMatchObject({
      code: 'RESEED',
      evidence: `databases: ${second}`,
    });
  });

  it('cannot be passed without a full after it', async () => {
    const { standby, streams } = await stored();
    const databases = streams.filter(({ databaseName }) => databaseName === second).map(one => one.databaseId);
    expect(await reseed(store, standby, { databases, dryRun: true })).toMatchObject({ kind: 'NoValidFull' });
    expect(await reseed(store, standby, { databases })).toMatchObject({ kind: 'NoValidFull' });
    expect((await stored()).streams.map(one => one.reseed)).toEqual([null, null]);
  });

  it('is left behind by a reseed from the next full, of a copy that is read before anything is replaced', async () => {
    await store.transaction(async tx => {
      for (const set of sets) await saveSet(tx, set);
    });
    const copies = join(world.folder, 'copies');
    await saveCopies(store, world.standbyId, sets.slice(3), copies);
    const { standby, streams } = await stored();
    const databases = [streams.find(({ databaseName }) => databaseName === second)!.databaseId];
    expect(await reseed(store, standby, { databases, confirm: 'orders' })).toMatchObject({ field: 'confirm' });
    expect(await reseed(store, standby, { databases: [standby.id as never] })).toMatchObject({ kind: 'NotFound' });
    expect(await reseed(store, standby, { databases, dryRun: true })).toMatchObject({
      kind: 'PREVIEW',
      mark: sets[4]!.markName,
      databases: [{ full: { setNumber: '4' }, files: [{ setNumber: '4' }, { setNumber: '5' }] }],
    });

    const full = join(copies, `${second}_FULL_4.bak`);
    const content = await readFile(full);
    await writeFile(full, content.subarray(0, content.length - 1));
    const before = await restoresSent();
    const traceparent = `00-${'1'.repeat(32)}-${'a'.repeat(16)}-01`;
    const asked = () => reseed(store, standby, { databases });
    expect(await runTraced(untraced, 'reseed', { parent: traceparent }, asked)).toMatchObject({ kind: 'CHANGED' });
    expect(await trace()).toBe(traceparent);
    expect(await reseed(store, standby, { databases })).toMatchObject({ kind: 'CHANGED' });
    expect(await reseed(store, standby, { databases, reason: 'other' })).toMatchObject({
      kind: 'IdempotencyKeyReused',
    });
    await start(2);
    await until('the copy is not what was written', async () =>
      ofSecond(await stored()).problem?.reason.code === 'COPY_DAMAGED' ? true : undefined,
    );
    // The other one may go on meanwhile: the mark of the last set was in reach.
    const ofSecondSent = async () => (await restoresSent()).filter(([database]) => database === second);
    expect(await ofSecondSent()).toEqual(before.filter(([database]) => database === second));
    // As the copy runner does it.
    await writeFile(full, content);
    await saveCopies(store, world.standbyId, sets.slice(3), copies);
    await until('in sync', async () => (isSettled(await stored(), sets) ? true : undefined));
    expect(await trace()).toBeUndefined();
    const since = (await restoresSent()).slice(before.length);
    expect(since.filter(([database]) => database === second)).toEqual([[second, 'FULL_4', true]]);
    expect(since.filter(([database, , replaces]) => database === first && replaces)).toEqual([]);
  });

  it('rests while it is paused, over a restart, and goes on when its time is over', async () => {
    const { id } = (await stored()).standby;
    const dependencies = dependenciesOf(store);
    expect(await pauseStandby(dependencies, operator, { standbyId: id, reason: ' ', until: null })).toMatchObject({
      field: 'reason',
    });
    const viewer = { ...operator, roles: ['viewer' as const] };
    const elsewhere = { ...operator, groups: [] };
    expect(await resumeStandby(dependencies, viewer, id)).toMatchObject({ kind: 'NotAllowed', rule: 'role:operate' });
    expect(await resumeStandby(dependencies, elsewhere, id)).toMatchObject({ kind: 'NotFound' });
    await start(3);
    await pauseStandby(dependencies, operator, { standbyId: id, reason: 'patching', until: null });
    await until('stopped', async () => (await stored()).standby.pause?.stoppedAt ?? undefined);
    expect((await stored()).standby).toMatchObject({ state: 'PAUSED', reasons: [{ code: 'PAUSED' }] });
    expect(await reseed(store, { id }, { idempotencyKey: 'paused' })).toMatchObject({ field: 'standbyId' });
    for (const close of closers.splice(0)) await close();
    const looks = async () => (await sentByShipping(join(world.folder, 'standby'))).length;
    const before = await looks();
    const running = await start(4);
    await running.idle();
    expect([await looks(), (await stored()).standby.state]).toEqual([before, 'PAUSED']);
    await resumeStandby(dependencies, operator, id);
    await until('in sync', async () => (isSettled(await stored(), sets) ? true : undefined));

    const at = new Date().toISOString();
    const claim = { executionId: newId(), groupId: sets[0]!.groupId, standbyId: id };
    await store.transaction(tx => claimStandby(tx, dependencies, { ...claim, claimedAt: at }));
    for (const asked of [
      await pauseStandby(dependencies, operator, { standbyId: id, reason: 'late', until: null }),
      await reseed(store, { id }, { idempotencyKey: 'claimed' }),
    ])
      expect(asked).toMatchObject({ kind: 'ExecutionHoldsStandby', executionId: claim.executionId });
    await store.transaction(tx => releaseStandby(tx, dependencies, { ...claim, releasedAt: at, outcome: 'RETURNED' }));
    await until('in sync', async () => (isSettled(await stored(), sets) ? true : undefined));

    const soon = new Date(Date.now() + 500).toISOString();
    await pauseStandby(dependencies, operator, { standbyId: id, reason: 'a moment', until: soon });
    await until('in sync', async () => (isSettled(await stored(), sets) ? true : undefined));
    expect((await stored()).standby.pause).toBeNull();
  });
});

/** One byte of the payload: the file still begins and ends as a backup does. */
async function rot(path: string): Promise<void> {
  const content = await readFile(path);
  const at = Math.floor(content.length / 2);
  content[at] = (content[at] ?? 0) ^ 0xff;
  await writeFile(path, content);
}
