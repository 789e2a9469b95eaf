import { eventCodec } from '@holdfast/events';
import { createOutbox } from '@holdfast/messaging';
import { createLogger, newId } from '@holdfast/service';
import { shellMigrations } from '@holdfast/service/host';
import { migrate, openStore, type Store } from '@holdfast/store';
import type { InventoryDependencies } from '../src/group/group-commands.ts';
import type { InventoryTables } from '../src/tables.ts';

/** The service's store as the host opens it. */
export async function openInventoryStore(file: string): Promise<Store<InventoryTables>> {
  const store = openStore<InventoryTables>({ file });
  await migrate(store, [
    ...shellMigrations,
    { source: 'inventory', folder: new URL('../migrations/', import.meta.url) },
  ]);
  return store;
}

/** What commands and runners work with, on this store. */
export function inventoryDependencies(
  store: Store<InventoryTables>,
  own: Pick<InventoryDependencies, 'clock' | 'env' | 'fencingToken'> & { readonly observeEveryMs?: number },
): InventoryDependencies {
  const { clock } = own;
  return {
    observeEveryMs: 1_800_000,
    ...own,
    store,
    outbox: createOutbox({ service: 'inventory', codec: eventCodec, clock, newId: () => newId(clock) }),
    logger: createLogger({ service: 'inventory', level: 'silent' }),
  };
}

export type Published = { readonly type: string; readonly data: Record<string, unknown> };

/** Every event of the outbox, in order. */
export async function publishedEvents(store: Store<InventoryTables>): Promise<Published[]> {
  const rows = await store.read(db => db.selectFrom('outbox').select('body').orderBy('seq').execute());
  return rows.map(({ body }) => JSON.parse(body) as Published);
}
