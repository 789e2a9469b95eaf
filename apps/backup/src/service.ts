import { eventCodec, recoveryPointJudged, setQualified, parkedByBackup } from '@holdfast/events';
import type { Service } from '@holdfast/service';
import { createSubgraphHost, type HostOverrides, runs } from '@holdfast/service/host';
import { setRunner } from './backup-set/backup-set-runner.ts';
import { type BackupConfig, schemaText } from './config.ts';
import { projections, reactions } from './consumers.ts';
import { type BackupContext, backupContext } from './context.ts';
import { resolvers } from './resolvers.ts';
import type { BackupTables } from './tables.ts';

export { type BackupConfig, backupSchema } from './config.ts';

/** The backup subgraph: what was taken at the source, and what it is worth. */
export function createBackup(config: BackupConfig, overrides: HostOverrides = {}): Service {
  const observeEveryMs = config.observeEverySeconds * 1_000;
  return createSubgraphHost<BackupTables, BackupContext>({
    name: 'backup',
    config,
    overrides,
    schemaText: schemaText(),
    migrations: new URL('../migrations/', import.meta.url),
    codec: eventCodec,
    publishes: [setQualified, recoveryPointJudged],
    parks: parkedByBackup,
    resolvers,
    context: (operation, dependencies) => backupContext(operation, dependencies, observeEveryMs),
    reactions: () => reactions,
    projections,
    runners: dependencies => [
      runs(setRunner({ ...dependencies, observeEveryMs }), { intervalMs: Math.min(observeEveryMs, 5_000) }),
    ],
  });
}
