import type { InstanceId } from '@holdfast/domain';
import { eventCodec } from '@holdfast/events';
import { createOutbox } from '@holdfast/messaging';
import { newId } from '@holdfast/service';
import { shellMigrations } from '@holdfast/service/host';
import type { MigrationSource, Store } from '@holdfast/store';
import { temporaryStore } from '@holdfast/store/testing';
import {
  saveAddress,
  saveCopy,
  saveGroup,
  savePoint,
  saveSet,
  saveStandby,
  saveStream,
} from '../src/estate/estate-store.ts';
import type { Estate } from '../src/estate/estate.ts';
import type { CommandDependencies } from '../src/execution/execution-commands.ts';
import type { RestoreTables } from '../src/tables.ts';
import { address, estate, silent } from './estate-of-two.ts';

/** In the order in which a service's start applies them. */
export const restoreMigrations: readonly MigrationSource[] = [
  ...shellMigrations,
  { source: 'restore', folder: new URL('../migrations/', import.meta.url) },
];

/** What commands need beside the store. */
export function commandDependencies(store: Store<RestoreTables>): CommandDependencies {
  const clock = Date.now;
  const outbox = createOutbox({ service: 'restore', codec: eventCodec, clock, newId: () => newId(clock) });
  return { store, outbox, clock };
}

/** The service's store with what the others published, and what its commands need. */
export async function openRestoreStore(known: Estate = estate()) {
  const temporary = await temporaryStore<RestoreTables>(restoreMigrations);
  const { store, location } = temporary;
  await saveEstate(store, known);
  const probed: InstanceId[] = [];
  const probe = async (instanceId: InstanceId) => {
    probed.push(instanceId);
    return silent;
  };
  return {
    store,
    location,
    remove: () => temporary.remove(),
    dependencies: { ...commandDependencies(store), probe },
    probed,
  };
}

export async function saveEstate(store: Store<RestoreTables>, known: Estate): Promise<void> {
  await store.transaction(async tx => {
    await saveGroup(tx, known.group);
    await saveAddress(tx, address);
    await saveStandby(tx, known.standby);
    for (const set of known.sets) await saveSet(tx, set);
    for (const point of known.points) await savePoint(tx, point);
    for (const copy of known.copies) await saveCopy(tx, copy);
    for (const stream of known.streams) await saveStream(tx, stream);
  });
}

/** Type (its last part but the version) and payload of everything published, in order. */
export async function publishedEvents(
  store: Store<RestoreTables>,
): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const rows = await store.read(db => db.selectFrom('outbox').select(['type', 'body']).orderBy('seq').execute());
  return rows.map(({ type, body }) => ({
    type: type.split('.').slice(-3, -1).join('.'),
    data: (JSON.parse(body) as { data: Record<string, unknown> }).data,
  }));
}
