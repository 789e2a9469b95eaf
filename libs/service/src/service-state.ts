import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messagingMigrations, type MessagingTables } from '@holdfast/messaging';
import {
  acquireLease,
  type Holder,
  type Lease,
  migrate,
  type MigrationSource,
  openLedStore,
  readFence,
  type SqlServerLocation,
  type Store,
} from '@holdfast/store';
import type { HostDefinition } from './host-definition.ts';
import { resolveSecret } from './secrets.ts';
import type { StoreSettings } from './store-settings.ts';

/** The tables that every service has; to be applied before its own. */
export const shellMigrations: readonly MigrationSource[] = [
  messagingMigrations,
  { source: 'service', folder: new URL('../migrations/', import.meta.url) },
];

type Definition = Pick<HostDefinition<MessagingTables, object>, 'name' | 'config' | 'overrides' | 'migrations'>;

/** A service's own state: who leads it, and its store, in a file of the state folder or in a database of SQL Server. */
export type ServiceState<DB> = {
  /** Waits until this process leads; `waiting`: at each look while another does. @throws what `signal` was aborted with */
  lead(options: {
    readonly signal: AbortSignal;
    readonly waiting: (holder: Holder | undefined) => void;
  }): Promise<Lease>;
  /** Taken over for the lease and brought up to date; `blocked`: who keeps it locked. */
  open(
    lease: Lease,
    options: { readonly signal: AbortSignal; readonly blocked: (why: string) => void },
  ): Promise<Store<DB>>;
};

/** Secrets are looked up here, nothing is connected yet. */
export async function stateOf<DB extends MessagingTables>({
  name,
  config,
  overrides,
  migrations,
}: Definition): Promise<ServiceState<DB>> {
  const { clock = Date.now, env = {}, lease: times } = overrides;
  const replaceAfter = config.lease && { replaceAfterMs: config.lease.replaceAfterSeconds * 1_000 };
  const location =
    config.store === undefined
      ? { file: join(config.stateFolder, `${name}.db`) }
      : { sqlServer: await locationOf(config.store.sqlServer, env) };
  // A file is looked at when its turn comes: the leader before may still raise the token.
  const claims = () =>
    'file' in location
      ? { file: join(config.stateFolder, `${name}.lease`), floor: readFence(location.file) }
      : { ...location, owner: name };
  return {
    async lead(options) {
      if ('file' in location) await mkdir(config.stateFolder, { recursive: true });
      return acquireLease({ ...replaceAfter, ...times, ...claims(), ...options });
    },
    async open(lease, options) {
      const store = await openLedStore<DB>({ ...times, ...location, lease, ...options });
      await migrate(store, [...shellMigrations, { source: name, folder: migrations }], clock);
      return store;
    },
  };
}

export function renderHolder(holder: Holder | undefined): string | undefined {
  if (holder === undefined) return undefined;
  const { pid, host, since } = holder;
  return `pid ${String(pid)}${host === undefined ? '' : ` on ${host}`} since ${since}`;
}

async function locationOf(
  { username, password, database, ...address }: StoreSettings['sqlServer'],
  env: Readonly<Record<string, string | undefined>>,
): Promise<SqlServerLocation> {
  return {
    address: { ...address, port: address.port ?? null, instanceName: address.instanceName ?? null },
    database,
    credentials: { user: await resolveSecret(username, { env }), password: await resolveSecret(password, { env }) },
  };
}
