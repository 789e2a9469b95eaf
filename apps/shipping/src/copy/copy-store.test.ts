import { type DatabaseId, requireLsn, type StandbyId } from '@holdfast/domain';
import type { Store } from '@holdfast/store';
import { type TemporaryStore, temporaryStore } from '@holdfast/store/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copiesOf, databases, full, log, set, type SetPayload, standby } from '../../test/estate.ts';
import { saveSet } from '../estate/estate-store.ts';
import { shippingReason } from '../standby/reason.ts';
import type { ShippingTables } from '../tables.ts';
import type { Copy } from './copy.ts';
import { databasesToCopy, findUncopied, listStuckCopies, saveCopy } from './copy-store.ts';

const { databaseId } = databases[0] as { databaseId: DatabaseId };
const standbyId: StandbyId = standby.id;
const nowMs = 1_000_000;
const problem = (retryAtMs: number) => ({
  reason: shippingReason('COPY_FAILED', { database: 'x', path: 'y', error: 'z' }),
  attempts: 1,
  retryAtMs,
});

let store: Store<ShippingTables>;
let temporary: TemporaryStore<ShippingTables>;
beforeEach(async () => {
  const folder = new URL('../../migrations/', import.meta.url);
  temporary = await temporaryStore<ShippingTables>([{ source: 'shipping', folder }]);
  ({ store } = temporary);
});
afterEach(() => temporary.remove());

const save = (sets: readonly SetPayload[], copies: readonly Copy[] = []) =>
  store.transaction(async tx => {
    for (const one of sets) await saveSet(tx, one);
    for (const copy of copies) await saveCopy(tx, copy);
  });
const next = (positionLsn: number | null = null) =>
  store.read(db =>
    findUncopied(db, {
      standbyId,
      databaseId,
      positionLsn: positionLsn === null ? null : requireLsn(String(positionLsn)),
      nowMs,
    }),
  );

async function order(sets: readonly SetPayload[], have: readonly Copy[] = [], positionLsn: number | null = null) {
  await save(sets, have);
  const taken: string[] = [];
  for (let found = await next(positionLsn); found !== undefined; found = await next(positionLsn)) {
    const { setId } = found.file;
    const of = sets.find(one => one.setId === setId)!;
    taken.push(of.number);
    await save([], copiesOf(of));
  }
  return taken;
}

describe('the order of copies', () => {
  it('is that of the sets from the newest usable full on, then backwards', async () => {
    const sets = [full(1, 20), log(2), full(25, 35), log(3), log(4), full(45, 55)];
    expect(await order(sets)).toEqual(['25', '30', '40', '45', '20', '1']);
  });

  it('puts logs the standby has not applied before everything older', async () => {
    const sets = [full(1, 20), log(2), log(3), full(35, 45), log(4), log(5)];
    expect(await order(sets, copiesOf(full(1, 20), log(2)), 30)).toEqual(['30', '35', '40', '50']);
  });

  it('leaves out what is lost, not whole yet or void', async () => {
    const lost = log(2, { files: log(2).files.map(file => ({ ...file, state: 'MISSING' as const })) });
    expect(await order([full(), lost, log(3, { state: 'RUNNING' }), log(4, { state: 'VOID' })])).toEqual(['1']);
  });

  it('compares LSNs as numbers', async () => {
    const sets = [set(10, 'LOG', [5, 10, 7]), full(15, 20), log(2)];
    expect(await order(sets, [], 9)).toEqual(['10', '15', '20']);
  });
});

describe('what is left to copy', () => {
  const [copy] = copiesOf(full()) as [Copy];

  it('is what is not recognised yet, or was another backup', async () => {
    await save([full()], [{ ...copy, state: 'WRITTEN' }]);
    expect((await next())?.copy?.state).toBe('WRITTEN');
    await save([], [{ ...copy, backupSetUuid: copy.backupSetUuid.toUpperCase() }]);
    expect(await next()).toBeUndefined();
    await save([], [{ ...copy, backupSetUuid: log(2).setId }]);
    expect(await next()).toBeDefined();
  });

  it('waits for its time after a failure, and lets the others by', async () => {
    await save([full(), log(2)], [{ ...copy, state: 'WRITING', problem: problem(nowMs + 1) }]);
    expect((await next())?.file.setId).toBe(log(2).setId);
    await save([], [{ ...copy, state: 'WRITING', problem: problem(nowMs) }]);
    expect((await next())?.file.setId).toBe(full().setId);
  });

  it('is asked for by database', async () => {
    const which = () => store.read(db => databasesToCopy(db, standbyId, nowMs));
    await save([full()], copiesOf(full()));
    expect(await which()).toEqual(new Set());
    await save([], [{ ...copy, state: 'WRITING', problem: problem(nowMs + 1) }]);
    expect(await which()).toEqual(new Set());
    await save([], [{ ...copy, state: 'WRITING', problem: problem(nowMs) }]);
    expect(await which()).toEqual(new Set([copy.databaseId]));
    await save([log(2)]);
    expect(await which()).toEqual(new Set(databases.map(each => each.databaseId)));
  });

  it('is listed with its problem, a few at a time', async () => {
    const stuck = copiesOf(full(), log(2), log(3)).map((one, index) => ({ ...one, problem: problem(nowMs - index) }));
    await save([full(), log(2), log(3)], stuck);
    const few = await store.read(db => listStuckCopies(db, standbyId, 2));
    expect(few.map(({ problem: of }) => of?.retryAtMs)).toEqual([nowMs - 5, nowMs - 4]);
  });
});
