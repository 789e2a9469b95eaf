import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionId, StandbyId } from '@holdfast/domain';
import { newId } from '@holdfast/service';
import type { Store } from '@holdfast/store';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { full } from '../../test/estate.ts';
import { dependenciesOf, fillStore, openWorldStore, published } from '../../test/world.ts';
import type { ShippingTables } from '../tables.ts';
import { claimStandby, releaseStandby, yieldStandby } from './standby-commands.ts';
import { findStandby } from './standby-store.ts';

let folder: string;
let store: Store<ShippingTables>;
let standbyId: StandbyId;
const { groupId } = full();
const [first, second] = [newId(), newId()] as [ExecutionId, ExecutionId];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-claims-'));
  store = await openWorldStore(folder);
  const address = { server: '127.0.0.1', port: 1, instanceName: null, encrypt: false, trustServerCertificate: false };
  const views = { read: '/from', write: '/to', standby: 'E:\\Copies' };
  standbyId = await fillStore(store, { sets: [full(1, 20, { files: [] })], server: { address }, folder: views });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const at = '2026-11-21T10:00:00.000Z';
const claim = (executionId: ExecutionId) =>
  store.transaction(tx => claimStandby(tx, dependenciesOf(store), { executionId, groupId, standbyId, claimedAt: at }));
const release = (executionId: ExecutionId) =>
  store.transaction(tx =>
    releaseStandby(tx, dependenciesOf(store), {
      executionId,
      groupId,
      standbyId,
      releasedAt: at,
      outcome: 'RETURNED',
    }),
  );
const answer = (executionId: ExecutionId) => yieldStandby(dependenciesOf(store), standbyId, executionId);
const answers = async () =>
  (await published(store))
    .filter(({ type }) => type === 'standby.yielded')
    .map(({ payload }) => payload['executionId']);
const claimNow = async () => (await store.read(db => findStandby(db, standbyId)))?.claim;

it('answers a claim once, when its runner has stopped', async () => {
  await claim(first);
  expect(await answers()).toEqual([]);
  await answer(first);
  await answer(first);
  expect(await answers()).toEqual([first]);
});

it('does not answer a claim that came after the stop', async () => {
  await claim(first);
  await release(first);
  await claim(second);
  await answer(first);
  expect(await answers()).toEqual([]);
  expect(await claimNow()).toEqual({ executionId: second, yieldedAt: null });
});

it('answers at once, and touches nothing, where it has let go already', async () => {
  await claim(first);
  await answer(first);
  await claim(first);
  await claim(second);
  expect(await answers()).toEqual([first, first, second]);
  expect(await claimNow()).toEqual({ executionId: second, yieldedAt: expect.any(String) });
});
