import { readFileSync } from 'node:fs';
import { readConfig } from '@holdfast/service';
import { subgraphSettings } from '@holdfast/service/host';
import { z } from 'zod';

/** The section `backup`. */
export const backupSchema = z.strictObject({
  ...subgraphSettings,
  /** How often the history of each group is read again. */
  observeEverySeconds: z.coerce.number().positive().max(3_600).default(30),
});

export type BackupConfig = z.infer<typeof backupSchema>;

/** Where secret references such as `env:NAME` are looked up. */
export const environment = process.env;

export function readBackupConfig(env: NodeJS.ProcessEnv = environment): BackupConfig {
  const yamlFile = env['HOLDFAST_CONFIG'];
  return readConfig({
    section: 'backup',
    schema: backupSchema,
    env,
    ...(yamlFile === undefined ? {} : { yamlFile }),
  });
}

/** The subgraph's public contract. */
export function schemaText(): string {
  return readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8');
}
