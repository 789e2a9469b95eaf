import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, type MigrationSource } from './migrate.ts';
import { openStore, type Store } from './store.ts';

export type TemporaryStore<DB> = { readonly store: Store<DB>; readonly file: string; remove(): Promise<void> };

/** A store in a folder of its own. */
export async function temporaryStore<DB>(sources: readonly MigrationSource[] = []): Promise<TemporaryStore<DB>> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-store-'));
  const file = join(folder, 'test.db');
  const store = openStore<DB>({ file });
  await migrate(store, sources);
  return {
    store,
    file,
    async remove() {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
