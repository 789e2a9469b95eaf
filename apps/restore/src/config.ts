import { readFileSync } from 'node:fs';
import { readConfig } from '@holdfast/service';
import { subgraphSettings } from '@holdfast/service/host';
import { z } from 'zod';

/** The section `restore`. */
export const restoreSchema = z.strictObject({
  ...subgraphSettings,
  /** How long a source instance may take to answer a probe. */
  probeTimeoutMs: z.coerce.number().int().min(100).max(60_000).default(5_000),
  /** How often executions are looked at without being woken by a change. */
  lookEveryMs: z.coerce.number().int().min(100).max(60_000).default(2_000),
  /** How often the sources of a completed failover are looked at: one that comes back is a second live copy. */
  watchSourcesEveryMs: z.coerce.number().int().min(100).max(3_600_000).default(15_000),
  /**
   * Databases of one standby instance that are restored, or opened, at the same time: as many as it has disks for, usually up to 4
   * (sqlserver.md §6.1). The largest is begun first, so that the others fit beside it; more only helps where disks can do more.
   */
  parallelRestores: z.coerce.number().int().min(1).max(64).default(4),
  /** How often a new mark is expected; BizTalk's own schedule is every 15 minutes (biztalk-dr.md §1.8). Readiness judges ages by it. */
  markEveryMs: z.coerce.number().int().min(1_000).max(86_400_000).default(900_000),
});

export type RestoreConfig = z.infer<typeof restoreSchema>;

/** Where secret references such as `env:NAME` are looked up. */
export const environment = process.env;

export function readRestoreConfig(env: NodeJS.ProcessEnv = environment): RestoreConfig {
  const yamlFile = env['HOLDFAST_CONFIG'];
  return readConfig({
    section: 'restore',
    schema: restoreSchema,
    env,
    ...(yamlFile === undefined ? {} : { yamlFile }),
  });
}

/** The subgraph's public contract. */
export function schemaText(): string {
  return readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8');
}
