import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackup } from '@holdfast/backup/service';
import { createGateway } from '@holdfast/gateway/service';
import { createInventory } from '@holdfast/inventory/service';
import { createEmbeddedBus } from '@holdfast/messaging';
import { createRestore } from '@holdfast/restore/service';
import { createLifecycle, createLogger, type Logger, type Part, type Service } from '@holdfast/service';
import { createShipping } from '@holdfast/shipping/service';
import { type Lease, tryAcquireLease } from '@holdfast/store';
import type { AllInOneConfig } from './config.ts';
import { audience, ensureKeys, issuer, issueToken, keyFiles } from './prepare/keys.ts';
import { removeRunFile, runFile, writeRunFile } from './run-file.ts';

/**
 * Gateway, the four services and their bus in one process, on one data folder. Its token is for the person at this machine; there is none
 * when `gateway.auth` names another identity provider.
 */
export function createAllInOne(config: AllInOneConfig): Service {
  // Standard output is for the announcement.
  const destination = { write: (text: string): boolean => process.stderr.write(text) };
  const loggerOf = (service: string): Logger => createLogger({ service, level: 'info', destination });
  const { dataFolder, env } = config;
  const bus = createEmbeddedBus();
  const shared = (service: string) => ({ bus, env, logger: loggerOf(service) });
  const subgraphs = [
    createInventory(config.inventory, shared('inventory')),
    createBackup(config.backup, shared('backup')),
    createShipping(config.shipping, shared('shipping')),
    createRestore(config.restore, shared('restore')),
  ];
  const urls: Record<string, string[]> = {};
  let lease: Lease | undefined;
  let gateway: Service | undefined;
  let gatewayUrl = '';

  const startGateway = async (): Promise<void> => {
    const { auth = { issuer, audience, publicKeyFile: keyFiles(dataFolder).issuerPublic }, ...rest } = config.gateway;
    gateway = createGateway({ ...rest, auth, subgraphs: urls }, { env, logger: loggerOf('gateway') });
    gatewayUrl = await startOn(gateway, rest.http);
    await writeRunFile(dataFolder, { pid: process.pid, port: Number(new URL(gatewayUrl).port) });
  };
  const parts: Part[] = [
    {
      name: 'data folder',
      async start() {
        lease = await takeFolder(dataFolder);
      },
      stop: () => lease?.release(),
    },
    { name: 'keys', start: () => ensureKeys(dataFolder).then(() => undefined), stop: () => undefined },
    { name: 'bus', start: () => undefined, stop: () => bus.close() },
    ...subgraphs.map(service => ({
      name: service.name,
      async start() {
        urls[service.name] = [(await service.start()).url];
      },
      stop: () => service.stop(),
    })),
    {
      name: 'gateway',
      start: startGateway,
      async stop() {
        await removeRunFile(dataFolder);
        await gateway?.stop();
      },
    },
  ];
  const lifecycle = createLifecycle(parts, { logger: loggerOf('all-in-one'), stopLimitMs: 15_000 });
  return {
    name: 'all-in-one',
    // One that was replaced cannot be started again alone.
    ended: AbortSignal.any(subgraphs.flatMap(({ ended }) => ended ?? [])),
    async start() {
      await lifecycle.start();
      const token = config.gateway.auth === undefined ? await issueToken(keyFiles(dataFolder), Date.now()) : undefined;
      return { url: gatewayUrl, ...(token !== undefined && { token }) };
    },
    async stop() {
      const { hung, failed } = await lifecycle.stop();
      if (hung.length > 0 || failed.length > 0)
        throw new Error(`did not stop: ${[...hung, ...failed.map(({ part }) => part)].join(', ')}`);
    },
  };
}

/** Two on one folder would each hold half of it: the second one is told at once. */
export async function takeFolder(dataFolder: string): Promise<Lease> {
  await mkdir(join(dataFolder, 'state'), { recursive: true });
  const lease = tryAcquireLease({ file: join(dataFolder, 'state', 'all-in-one.lease.db') });
  if (lease !== undefined) return lease;
  throw new Error(
    `Holdfast runs on ${dataFolder} already (${runFile(dataFolder)} says where). Stop it, or give another folder with --data.`,
  );
}

async function startOn(gateway: Service, { host, port }: { readonly host: string; readonly port: number }) {
  try {
    const { url } = await gateway.start();
    return url;
  } catch (error) {
    if (!isAddressInUse(error)) throw error;
    const fix = 'Give another one with --port, or --port 0 for a free one.';
    throw new Error(`Port ${port} of ${host} is taken by another program. ${fix}`, { cause: error });
  }
}

function isAddressInUse(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ('code' in error && error.code === 'EADDRINUSE') || isAddressInUse(error.cause);
}
