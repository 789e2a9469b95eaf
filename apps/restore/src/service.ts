import { eventCodec, executionChanged, standbyClaimed, standbyReleased, parkedByRestore } from '@holdfast/events';
import type { Service } from '@holdfast/service';
import { createSubgraphHost, type HostDependencies, type HostOverrides, runs } from '@holdfast/service/host';
import { type RestoreConfig, schemaText } from './config.ts';
import { projections, reactions } from './consumers.ts';
import { executionCommands } from './execution/execution-commands.ts';
import { executionRunner } from './execution/execution-runner.ts';
import { instances } from './execution/instance-runner.ts';
import { sourceWatchRunner } from './execution/source-watch-runner.ts';
import { type RestoreContext, resolvers } from './resolvers.ts';
import type { RestoreTables } from './tables.ts';

export { type RestoreConfig, restoreSchema } from './config.ts';

/** The restore subgraph: failovers from the request to the verified end. */
export function createRestore(config: RestoreConfig, overrides: HostOverrides = {}): Service {
  let opened: ReturnType<typeof instances> | undefined;
  const instancesOf = ({ store, env, clock, fencingToken }: HostDependencies<RestoreTables>) =>
    (opened ??= instances({
      store,
      env,
      clock,
      fencingToken: String(fencingToken),
      probeTimeoutMs: config.probeTimeoutMs,
    }));
  return createSubgraphHost<RestoreTables, RestoreContext>({
    name: 'restore',
    config,
    overrides,
    schemaText: schemaText(),
    migrations: new URL('../migrations/', import.meta.url),
    codec: eventCodec,
    publishes: [executionChanged, standbyClaimed, standbyReleased],
    parks: parkedByRestore,
    resolvers,
    context: (operation, dependencies) => {
      const { store, outbox, clock } = dependencies;
      const { markEveryMs } = config;
      return { ...operation, store, outbox, clock, markEveryMs, probe: id => instancesOf(dependencies).probe(id) };
    },
    reactions: () => reactions,
    projections,
    runners: dependencies => {
      const { store, clock } = dependencies;
      const runner = executionRunner({
        store,
        clock,
        commands: executionCommands(dependencies),
        instances: instancesOf(dependencies),
        parallelRestores: config.parallelRestores,
      });
      const watch = sourceWatchRunner({
        store,
        clock,
        commands: executionCommands(dependencies),
        instances: instancesOf(dependencies),
        everyMs: config.watchSourcesEveryMs,
      });
      return [
        runs(runner, { intervalMs: config.lookEveryMs }),
        runs(watch, { intervalMs: config.watchSourcesEveryMs }),
      ];
    },
    close: async () => opened?.close(),
  });
}
