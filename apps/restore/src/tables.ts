import type { MessagingTables } from '@holdfast/messaging';
import type { IdempotencyTables } from '@holdfast/service/host';
import type { EstateTables } from './estate/estate-store.ts';
import type { ExecutionTables } from './execution/execution-store.ts';

/** Everything in this service's store. */
export type RestoreTables = MessagingTables & IdempotencyTables & EstateTables & ExecutionTables;
