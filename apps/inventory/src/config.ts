import { readFileSync } from 'node:fs';
import { readConfig } from '@holdfast/service';
import { subgraphSettings } from '@holdfast/service/host';
import { z } from 'zod';

/** The section `inventory`. */
export const inventorySchema = z.strictObject({
  ...subgraphSettings,
  /** How often each group is looked at again. */
  observeEverySeconds: z.coerce.number().positive().max(3_600).default(30),
});

export type InventoryConfig = z.infer<typeof inventorySchema>;

/** Where secret references such as `env:NAME` are looked up. */
export const environment = process.env;

export function readInventoryConfig(env: NodeJS.ProcessEnv = environment): InventoryConfig {
  const yamlFile = env['HOLDFAST_CONFIG'];
  return readConfig({
    section: 'inventory',
    schema: inventorySchema,
    env,
    ...(yamlFile === undefined ? {} : { yamlFile }),
  });
}

/** The subgraph's public contract. */
export function schemaText(): string {
  return readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8');
}
