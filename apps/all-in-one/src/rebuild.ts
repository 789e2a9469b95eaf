import { createBackup } from '@holdfast/backup/service';
import { createInventory } from '@holdfast/inventory/service';
import { createEmbeddedBus } from '@holdfast/messaging';
import { createRestore } from '@holdfast/restore/service';
import { createLifecycle, createLogger, type Part, type Service } from '@holdfast/service';
import { printRebuilt, type RebuildOrder } from '@holdfast/service/host';
import { createShipping } from '@holdfast/shipping/service';
import type { Lease } from '@holdfast/store';
import type { AllInOneConfig, RebuiltService } from './config.ts';
import { takeFolder } from './service.ts';

/** Fills the projections of one service again from the outboxes of all four, which are their log here. Nothing else runs meanwhile. */
export function createRebuildInOne(config: AllInOneConfig, rebuilt: RebuiltService): Service {
  const destination = { write: (text: string): boolean => process.stderr.write(text) };
  const bus = createEmbeddedBus();
  const done = Promise.withResolvers<undefined>();
  const shared = (service: RebuiltService) => {
    const rebuild: RebuildOrder = service === rebuilt ? { role: 'rebuild', tell: printRebuilt } : { role: 'log' };
    return { bus, env: config.env, logger: createLogger({ service, level: 'info', destination }), rebuild };
  };
  const services = [
    createInventory(config.inventory, shared('inventory')),
    createBackup(config.backup, shared('backup')),
    createShipping(config.shipping, shared('shipping')),
    createRestore(config.restore, shared('restore')),
  ];
  const target = services.filter(({ name }) => name === rebuilt);
  let lease: Lease | undefined;
  const parts: Part[] = [
    {
      name: 'data folder',
      async start() {
        lease = await takeFolder(config.dataFolder);
      },
      stop: () => lease?.release(),
    },
    { name: 'bus', start: () => undefined, stop: () => bus.close() },
    // Its own log is one of the four: the service that is rebuilt registers it like the others.
    ...[...services.filter(({ name }) => name !== rebuilt), ...target].map(service => ({
      name: service.name,
      async start() {
        await service.start();
      },
      stop: () => service.stop(),
    })),
  ];
  const lifecycle = createLifecycle(parts);
  return {
    name: 'all-in-one',
    listening: new Promise(() => undefined),
    done: done.promise,
    async start() {
      await lifecycle.start();
      done.resolve(undefined);
      return { url: '' };
    },
    async stop() {
      // One that is at work stops there; the lifecycle waits for its start.
      await Promise.all([...target.map(service => service.stop()), lifecycle.stop()]);
    },
  };
}
