import { eventCodec } from '@holdfast/events';
import { createOutbox } from '@holdfast/messaging';
import { newId } from '@holdfast/service';
import { shellMigrations } from '@holdfast/service/host';
import type { MigrationSource, Store } from '@holdfast/store';
import { temporaryStore } from '@holdfast/store/testing';
import type { BackupDependencies } from '../src/backup-set/backup-set-commands.ts';
import { saveAddress, saveGroup } from '../src/estate/estate-store.ts';
import type { BackupTables } from '../src/tables.ts';
import { address, group } from './ledger.ts';

/** Everything that the service's store has, in the order in which the host applies it. */
export const backupMigrations: readonly MigrationSource[] = [
  ...shellMigrations,
  { source: 'backup', folder: new URL('../migrations/', import.meta.url) },
];

export type Published = { readonly type: string; readonly data: Record<string, unknown> };

export type LedgerStore = {
  readonly store: Store<BackupTables>;
  readonly deps: BackupDependencies;
  /** Milliseconds since the epoch; what `deps.clock` says. */
  now: number;
  /** What was appended since the last call, oldest first. */
  published(): Promise<Published[]>;
  close(): Promise<void>;
};

/** A store of its own that knows one group and the way to its instance. */
export async function openLedgerStore(): Promise<LedgerStore> {
  const temporary = await temporaryStore<BackupTables>(backupMigrations);
  const { store } = temporary;
  await store.transaction(async tx => {
    await saveGroup(tx, group);
    await saveAddress(tx, address);
  });
  const clock = () => opened.now;
  const outbox = createOutbox({ service: 'backup', codec: eventCodec, clock, newId: () => newId() });
  let seen = 0;
  const opened: LedgerStore = {
    store,
    deps: { store, outbox, clock, env: {}, observeEveryMs: 30_000 },
    now: Date.parse('2026-11-21T10:30:00.000Z'),
    async published() {
      const events = await publishedAfter(store, seen);
      seen += events.length;
      return events;
    },
    close: () => temporary.remove(),
  };
  return opened;
}

/** The events of the outbox beyond this sequence number, which rises by one with each. */
export async function publishedAfter(store: Store<BackupTables>, seq: number): Promise<Published[]> {
  const rows = await store.read(db =>
    db.selectFrom('outbox').select('body').where('seq', '>', seq).orderBy('seq').execute(),
  );
  return rows.map(({ body }) => JSON.parse(body) as Published);
}
