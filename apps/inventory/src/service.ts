import { eventCodec, groupObserved, instanceAddressed, sqlInstanceRegistered } from '@holdfast/events';
import type { Service } from '@holdfast/service';
import { createSubgraphHost, type HostOverrides, runs } from '@holdfast/service/host';
import { type InventoryConfig, schemaText } from './config.ts';
import { reactions } from './consumers.ts';
import { observationRunner } from './group/observation-runner.ts';
import { instanceRunner } from './instance/instance-runner.ts';
import { inventoryContext, resolvers } from './resolvers.ts';
import type { InventoryTables } from './tables.ts';

export { type InventoryConfig, inventorySchema } from './config.ts';

/** The inventory subgraph: what we protect. */
export function createInventory(config: InventoryConfig, overrides: HostOverrides = {}): Service {
  const observeEveryMs = config.observeEverySeconds * 1_000;
  return createSubgraphHost<InventoryTables, ReturnType<typeof inventoryContext>>({
    name: 'inventory',
    config,
    overrides,
    schemaText: schemaText(),
    migrations: new URL('../migrations/', import.meta.url),
    codec: eventCodec,
    publishes: [groupObserved, sqlInstanceRegistered, instanceAddressed],
    resolvers,
    context: (operation, dependencies) => inventoryContext(operation, dependencies, observeEveryMs),
    reactions: () => reactions,
    runners: dependencies => [
      runs(observationRunner(dependencies, observeEveryMs), { intervalMs: Math.min(observeEveryMs, 5_000) }),
      runs(instanceRunner(dependencies, observeEveryMs), { intervalMs: Math.min(observeEveryMs, 5_000) }),
    ],
  });
}
