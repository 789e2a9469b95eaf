import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { backupSchema } from '@holdfast/backup/service';
import { gatewaySchema } from '@holdfast/gateway/service';
import { inventorySchema } from '@holdfast/inventory/service';
import { restoreSchema } from '@holdfast/restore/service';
import { readConfig } from '@holdfast/service';
import { shippingSchema } from '@holdfast/shipping/service';
import { z } from 'zod';
import { keyFiles } from './prepare/keys.ts';

export type AllInOneConfig = ReturnType<typeof readAllInOneConfig>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `--data DIR` (`.holdfast` of this repository when left out), `--port P` (of the gateway) and `--rebuild SERVICE`, then the sections of the five services as
 * they are configured elsewhere, with the data folder's state and keys for defaults. The gateway's `subgraphs` is no setting here: they
 * are the four of this process. Without `gateway.auth` the process is its own identity provider.
 */
export function readAllInOneConfig(args: readonly string[], env: Environment) {
  const options = { data: { type: 'string' }, port: { type: 'string' }, rebuild: { type: 'string' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const dataFolder = resolve(values.data ?? fileURLToPath(new URL('../../../.holdfast/', import.meta.url)));
  const yamlFile = env['HOLDFAST_CONFIG'];
  const sources = { env: gatewayPort(env, values.port), ...(yamlFile === undefined ? {} : { yamlFile }) };
  const signingKey = z
    .string()
    .min(1)
    .default(`file:${keyFiles(dataFolder).signingKey}`);
  const service = { signingKey, stateFolder: z.string().min(1).default(join(dataFolder, 'state')) };
  const gateway = gatewaySchema
    .omit({ subgraphs: true })
    .extend({ signingKey, auth: gatewaySchema.shape.auth.optional() });
  return {
    dataFolder,
    env,
    rebuild: rebuilt(values.rebuild),
    inventory: readConfig({ section: 'inventory', schema: inventorySchema.extend(service), ...sources }),
    backup: readConfig({ section: 'backup', schema: backupSchema.extend(service), ...sources }),
    shipping: readConfig({ section: 'shipping', schema: shippingSchema.extend(service), ...sources }),
    restore: readConfig({ section: 'restore', schema: restoreSchema.extend(service), ...sources }),
    gateway: readConfig({ section: 'gateway', schema: gateway, ...sources }),
  };
}

export type RebuiltService = 'inventory' | 'backup' | 'shipping' | 'restore';

function rebuilt(name: string | undefined): RebuiltService | undefined {
  if (name === undefined || name === 'inventory' || name === 'backup' || name === 'shipping' || name === 'restore')
    return name;
  throw new Error(`--rebuild: "${name}" is no service; inventory, backup, shipping and restore are.`);
}

/** The option says it last. */
function gatewayPort(env: Environment, port: string | undefined): Environment {
  return port === undefined ? env : { ...env, HOLDFAST_GATEWAY__HTTP__PORT: port };
}
