import { migrate, type MigrationSource } from './migrate.ts';
import { openStore, type Store, type StoreLocation } from './store.ts';
import { kindOfTests, openPlace, type Place } from './testing/places.ts';

export { type Kind, kinds, openPlace, type Place, startServer, type TestServer } from './testing/places.ts';

export type TemporaryStore<DB> = {
  readonly store: Store<DB>;
  readonly location: StoreLocation;
  remove(): Promise<void>;
};

/** A store that nobody else has, in a place of its own (HOLDFAST_TEST_STORE) or in the one given, which its owner closes. */
export async function temporaryStore<DB>(
  sources: readonly MigrationSource[] = [],
  place?: Place,
): Promise<TemporaryStore<DB>> {
  const used = place ?? (await openPlace(kindOfTests));
  const location = await used.fresh();
  const store = openStore<DB>(location);
  await migrate(store, sources);
  return {
    store,
    location,
    async remove() {
      await store.close();
      if (place === undefined) await used.close();
    },
  };
}
