import { readFileSync } from 'node:fs';
import { readConfig } from '@holdfast/service';
import { subgraphSettings } from '@holdfast/service/host';
import { z } from 'zod';

/** The section `shipping`. */
export const shippingSchema = z.strictObject({
  ...subgraphSettings,
  /** How often every standby instance is asked where its databases stand. */
  observeEverySeconds: z.coerce.number().positive().max(3_600).default(5),
  /** Files under way at the same time. */
  parallelCopies: z.coerce.number().int().min(1).max(64).default(4),
  /** Databases of one standby instance that are restored at the same time. */
  parallelRestores: z.coerce.number().int().min(1).max(64).default(4),
  /** After so many bytes a copy is forced to disk: what a cut costs at most. */
  flushEveryMegabytes: z.coerce.number().int().min(1).max(4_096).default(64),
});

export type ShippingConfig = z.infer<typeof shippingSchema>;

/** Where secret references such as `env:NAME` are looked up. */
export const environment = process.env;

export function readShippingConfig(env: NodeJS.ProcessEnv = environment): ShippingConfig {
  const yamlFile = env['HOLDFAST_CONFIG'];
  return readConfig({
    section: 'shipping',
    schema: shippingSchema,
    env,
    ...(yamlFile === undefined ? {} : { yamlFile }),
  });
}

/** The subgraph's public contract. */
export function schemaText(): string {
  return readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8');
}
