import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createLifecycle, createLogger, type Logger, resolveSecret, type Service } from '@holdfast/service';
import { type RunningSubgraph, startSubgraph } from '@holdfast/service/graphql';
import { acquireLease, type Lease, loadMigrations, migrate, openStore, type Store } from '@holdfast/store';
import { parse } from 'graphql';
import { Registry } from 'prom-client';
import { environment, type InventoryConfig, schemaText } from './config.ts';
import type { InventoryTables } from './group/group-store.ts';
import { inventoryContext, resolvers } from './resolvers.ts';

export type InventoryOverrides = {
  readonly clock?: () => number;
  readonly logger?: Logger;
  readonly signingKey?: Uint8Array;
};

/** The inventory subgraph: what we protect. It answers once it leads its store. */
export function createInventory(config: InventoryConfig, overrides: InventoryOverrides = {}): Service {
  const clock = overrides.clock ?? Date.now;
  const logger = overrides.logger ?? createLogger({ service: 'inventory', level: 'info' });
  const stopWaiting = new AbortController();
  let lease: Lease | undefined;
  let store: Store<InventoryTables> | undefined;
  let subgraph: RunningSubgraph | undefined;

  const lifecycle = createLifecycle(
    [
      {
        name: 'lease',
        async start() {
          await mkdir(config.stateFolder, { recursive: true });
          const file = join(config.stateFolder, 'inventory.lease.db');
          lease = await acquireLease({ file, signal: stopWaiting.signal });
        },
        stop: () => lease?.release(),
      },
      {
        name: 'store',
        async start() {
          store = openStore<InventoryTables>({ file: join(config.stateFolder, 'inventory.db') });
          const own = await loadMigrations(new URL('../migrations/', import.meta.url), 'sqlite');
          await migrate(store, [{ source: 'inventory', migrations: own }], clock);
        },
        stop: () => store?.close(),
      },
      {
        name: 'subgraph',
        async start() {
          const opened = store as Store<InventoryTables>;
          subgraph = await startSubgraph({
            name: 'inventory',
            typeDefs: parse(schemaText()),
            resolvers,
            ...config.http,
            signingKey:
              overrides.signingKey ?? Buffer.from(await resolveSecret(config.signingKey, { env: environment }), 'utf8'),
            clock,
            logger,
            registry: new Registry(),
            checks: [{ name: 'leader', check: () => ({ ok: lease?.held() === true }) }],
            createContext: operation => inventoryContext(operation, opened),
          });
        },
        stop: () => subgraph?.stop(),
      },
    ],
    { logger },
  );

  return {
    name: 'inventory',
    async start() {
      await lifecycle.start();
      const { url } = subgraph as RunningSubgraph;
      logger.info({ url }, 'inventory answers');
      return { url };
    },
    async stop() {
      stopWaiting.abort();
      await lifecycle.stop();
    },
  };
}
