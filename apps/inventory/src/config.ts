import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readConfig } from '@holdfast/service';
import { z } from 'zod';

/** The section `inventory`. */
export const inventorySchema = z.strictObject({
  http: z
    .strictObject({
      host: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free one. */
      port: z.coerce.number().int().min(0).max(65_535).default(0),
    })
    .prefault({}),
  /** Folder of this service's database. */
  stateFolder: z
    .string()
    .min(1)
    .default(() => fileURLToPath(new URL('../../../.holdfast/state/', import.meta.url))),
  /** Reference (`env:NAME`, `file:path`) to the key that gateway and subgraphs share. */
  signingKey: z.string().min(1),
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
