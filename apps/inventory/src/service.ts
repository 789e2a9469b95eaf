import {
  eventCodec,
  groupObserved,
  instanceAddressed,
  jobsObserved,
  loginsObserved,
  sqlInstanceRegistered,
  parkedByInventory,
} from '@holdfast/events';
import type { Service } from '@holdfast/service';
import { createSubgraphHost, type HostDependencies, type HostOverrides, runs } from '@holdfast/service/host';
import { type InventoryConfig, schemaText } from './config.ts';
import { projections, reactions } from './consumers.ts';
import type { InventoryDependencies } from './group/group-commands.ts';
import { newsRunner } from './group/news-runner.ts';
import { observationRunner } from './group/observation-runner.ts';
import { instanceRunner } from './instance/instance-runner.ts';
import { inventoryContext, resolvers } from './resolvers.ts';
import type { InventoryTables } from './tables.ts';

export { type InventoryConfig, inventorySchema } from './config.ts';

/** The inventory subgraph: what we protect. */
export function createInventory(config: InventoryConfig, overrides: HostOverrides = {}): Service {
  const observeEveryMs = config.observeEverySeconds * 1_000;
  const own = (dependencies: HostDependencies<InventoryTables>): InventoryDependencies => {
    return { ...dependencies, observeEveryMs };
  };
  // Without being woken they look at least as often as there is something to look at.
  const intervalMs = Math.min(observeEveryMs, 5_000);
  return createSubgraphHost<InventoryTables, ReturnType<typeof inventoryContext>>({
    name: 'inventory',
    config,
    overrides,
    schemaText: schemaText(),
    migrations: new URL('../migrations/', import.meta.url),
    codec: eventCodec,
    publishes: [groupObserved, sqlInstanceRegistered, instanceAddressed, loginsObserved, jobsObserved],
    parks: parkedByInventory,
    resolvers,
    context: (operation, dependencies) => inventoryContext(operation, own(dependencies)),
    reactions: () => reactions,
    projections,
    runners: dependencies => [
      runs(observationRunner(own(dependencies)), { intervalMs }),
      runs(instanceRunner(own(dependencies)), { intervalMs }),
      runs(newsRunner(own(dependencies)), { intervalMs }),
    ],
  });
}
