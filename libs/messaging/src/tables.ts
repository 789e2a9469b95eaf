import type { MigrationSource, Store, Transactor } from '@holdfast/store';

/** What every service's own tables are joined with: `Store<MessagingTables & InventoryTables>`. */
export type MessagingTables = {
  outbox_head: { id: number; seq: number; log_id: string };
  outbox: {
    seq: number;
    topic: string;
    message_key: string;
    key_sequence: number;
    event_id: string;
    type: string;
    body: string;
    created_at: string;
  };
  relay_position: { bus: string; seq: number; sent_at: string; resend_until: number; resent_total: number };
  relay_place: {
    bus: string;
    topic: string;
    partition_name: string;
    first_offset: string;
    record_offset: string;
    event_id: string;
  };
  inbox: { consumer: string; event_id: string; received_at: string };
  consumer_position: {
    consumer: string;
    topic: string;
    partition_name: string;
    record_offset: string;
    event_id: string | null;
  };
  newer_version: { consumer: string; type: string; events: number; first_event_id: string; first_at: string };
  dead_letter: {
    consumer: string;
    topic: string;
    partition_name: string;
    record_offset: string;
    message_key: string;
    event_id: string;
    body: string;
    reason: string;
    attempts: number;
    failed_at: string;
  };
};

/** To be applied before the service's own. */
export const messagingMigrations: MigrationSource = {
  source: 'messaging',
  folder: new URL('../migrations/', import.meta.url),
};

// Kysely's builders are invariant in their tables: the compiler cannot see that who has more tables has these.
export function ownTables<DB extends MessagingTables>(store: Store<DB>): Store<MessagingTables> {
  return store as unknown as Store<MessagingTables>;
}

export function inOwnTables<DB extends MessagingTables>(tx: Transactor<DB>): Transactor<MessagingTables> {
  return tx as unknown as Transactor<MessagingTables>;
}
