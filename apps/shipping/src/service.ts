import {
  eventCodec,
  fileCopied,
  standbyChanged,
  standbyYielded,
  streamMoved,
  parkedByShipping,
} from '@holdfast/events';
import type { Service } from '@holdfast/service';
import { createSubgraphHost, type HostDependencies, type HostOverrides, runs } from '@holdfast/service/host';
import { schemaText, type ShippingConfig } from './config.ts';
import { projections, reactions } from './consumers.ts';
import { shippingContext, type ShippingContext } from './context.ts';
import { CopyMeter } from './copy/copy-meter.ts';
import { copyRunner } from './copy/copy-runner.ts';
import { StandbyConnections } from './estate/connection-runner.ts';
import { resolvers } from './resolvers.ts';
import { StandbyGate } from './standby/gate.ts';
import { streamRunner } from './stream/stream-runner.ts';
import type { ShippingTables } from './tables.ts';

export { type ShippingConfig, shippingSchema } from './config.ts';

/** The shipping subgraph: brings backups to standbys and keeps those restored up to the newest mark they can all stop at. */
export function createShipping(config: ShippingConfig, overrides: HostOverrides = {}): Service {
  const observeEveryMs = config.observeEverySeconds * 1_000;
  const gate = new StandbyGate();
  const meter = new CopyMeter(overrides.clock ?? Date.now);
  let connections: StandbyConnections | undefined;
  const connect = (dependencies: HostDependencies<ShippingTables>) =>
    (connections ??= new StandbyConnections({ ...dependencies, parallelRestores: config.parallelRestores }));
  return createSubgraphHost<ShippingTables, ShippingContext>({
    name: 'shipping',
    config,
    overrides,
    schemaText: schemaText(),
    migrations: new URL('../migrations/', import.meta.url),
    codec: eventCodec,
    publishes: [standbyChanged, fileCopied, streamMoved, standbyYielded],
    parks: parkedByShipping,
    resolvers,
    context: (operation, dependencies) =>
      shippingContext(operation, dependencies, { connections: connect(dependencies), meter, observeEveryMs }),
    reactions,
    projections,
    runners: dependencies => {
      const shared = { ...dependencies, connections: connect(dependencies), gate, meter };
      return [
        runs(copyRunner({ ...shared, flushEveryBytes: config.flushEveryMegabytes * 1_048_576 }), {
          intervalMs: observeEveryMs,
          parallel: config.parallelCopies,
        }),
        runs(streamRunner({ ...shared, noteEveryMs: observeEveryMs }), {
          intervalMs: observeEveryMs,
          // The bound is that of each instance: a database that waits for its place there must not keep a standby from being looked at.
          parallel: Number.POSITIVE_INFINITY,
        }),
      ];
    },
    close: async () => connections?.close(),
  });
}
