export { mostInList, type StoreDialect } from './dialect.ts';
export { StoreError, type StoreErrorClass } from './errors.ts';
export type { Holder } from './claim.ts';
export { readFence } from './fence.ts';
export { acquireLease, tryAcquireLease, type Lease } from './lease.ts';
export { migrate, MigrationError, type Migration, type MigrationSource } from './migrate.ts';
export { prepared } from './prepared.ts';
export type { SqlServerLocation } from './sql-server.ts';
export { openLedStore, openStore, type Reader, type Store, type StoreLocation, type Transactor } from './store.ts';
