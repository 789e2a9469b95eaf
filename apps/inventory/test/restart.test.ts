import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventCodec, groupObserved, instanceAddressed, jobsObserved, loginsObserved } from '@holdfast/events';
import {
  type Consumer,
  createConsumer,
  createEmbeddedBus,
  messagingMigrations,
  type MessagingTables,
  on,
} from '@holdfast/messaging';
import { createLogger, type Service } from '@holdfast/service';
import type { CheckpointHook } from '@holdfast/service/runner';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import { openStore } from '@holdfast/store';
import { temporaryStore } from '@holdfast/store/testing';
import { registerGroup } from '../src/registration/register-group-commands.ts';
import { createInventory, inventorySchema } from '../src/service.ts';
import type { InventoryTables } from '../src/tables.ts';
import { admin, connectionTo, management, messageBox, onServer, prepareGroup, startInstance } from './estate.ts';
import { inventoryEnd, observedVersions } from './inventory-end.ts';
import { inventoryDependencies, openInventoryStore, type Published } from './store.ts';

const describeWithServer = whyNoTestServer(process.env) === undefined ? describe : describe.skip;
const removals: (() => unknown)[] = [];
const bus = createEmbeddedBus();
const heard: Published[] = [];

let folder: string;
let server: TestServer;
let stateFolder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-inventory-restart-'));
  removals.push(() => rmSync(folder, { recursive: true, force: true }));
  stateFolder = join(folder, 'state');
  mkdirSync(stateFolder);
  server = await startInstance(folder, process.env);
  removals.push(() => server.close());
  await prepareGroup(server);
  await register();
  removals.push(() => bus.close());
  const reader = await startReader();
  removals.push(() => reader.stop());
}, 60_000);
afterAll(async () => {
  for (const remove of removals.reverse()) await remove();
});

const env = () => ({ SQL_USER: server.credentials.user, SQL_PASSWORD: server.credentials.password });

async function register(): Promise<void> {
  const store = await openInventoryStore(join(stateFolder, 'inventory.db'));
  const dependencies = inventoryDependencies(store, { clock: Date.now, env: env(), fencingToken: 1 });
  const result = await registerGroup(dependencies, admin, {
    idempotencyKey: 'first',
    name: 'Orders',
    site: 'Dublin',
    management: {
      ...connectionTo(server),
      database: management,
      authentication: 'SQL_LOGIN',
      trustServerCertificate: false,
    },
    dryRun: false,
  });
  await store.close();
  expect(result).toMatchObject({ group: { name: 'Orders' } });
}

/** Notes what the service says, each event once. */
async function startReader(): Promise<Consumer<MessagingTables>> {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  removals.push(() => temporary.remove());
  const note = (type: string) => async (_tx: unknown, data: Record<string, unknown>) => void heard.push({ type, data });
  const reader = createConsumer<MessagingTables>({
    store: temporary.store,
    bus,
    name: 'test.reader',
    codec: eventCodec,
    subscriptions: [
      on(groupObserved, note(groupObserved.type)),
      on(instanceAddressed, note(instanceAddressed.type)),
      on(loginsObserved, note(loginsObserved.type)),
      on(jobsObserved, note(jobsObserved.type)),
    ],
    clock: Date.now,
  });
  await reader.start();
  return reader;
}

function service(hook: CheckpointHook): Service {
  const config = inventorySchema.parse({ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 0.1 });
  return createInventory(config, {
    bus,
    env: env(),
    signingKey: Buffer.from('k'.repeat(32)),
    logger: createLogger({ service: 'inventory', level: 'silent' }),
    hook,
  });
}

/** Stops the service while it passes its nth checkpoint. */
async function runUntilCheckpoint(nth: number): Promise<void> {
  let passed = 0;
  const reached = Promise.withResolvers<Promise<void>>();
  const started = service(() => {
    passed += 1;
    // Not awaited here: the stop waits for the step that passes.
    if (passed === nth) reached.resolve(started.stop());
  });
  await started.start();
  await reached.promise;
}

describeWithServer('the inventory service, stopped and started', () => {
  it('goes on where it was, and nobody hears anything twice', async () => {
    const models = ['SIMPLE', 'FULL', 'SIMPLE', 'FULL'];
    for (const [index, model] of models.entries()) {
      await onServer(server, `ALTER DATABASE [${messageBox}] SET RECOVERY ${model}`);
      await runUntilCheckpoint(index + 1);
    }
    const last = service(() => undefined);
    await last.start();
    const seen = () => observedVersions(heard).at(-1)?.['databases'];
    await onServer(server, `ALTER DATABASE [${messageBox}] SET RECOVERY BULK_LOGGED`);
    while (!JSON.stringify(seen() ?? null).includes('BULK_LOGGED')) await pause(10);
    await last.stop();

    const store = openStore<InventoryTables>({ file: join(stateFolder, 'inventory.db') });
    const end = await inventoryEnd(store);
    await store.close();
    expect(end.databases).toEqual([
      expect.objectContaining({ name: management, recoveryModel: 'FULL' }),
      expect.objectContaining({ name: messageBox, recoveryModel: 'BULK_LOGGED' }),
    ]);
    expect(end.instances).toHaveLength(1);
    // The reader gets every event of the log, once; each topic has an order of its own. The last ones may still be on their way.
    while (heard.length < end.published.length) await pause(10);
    expect(heard.map(({ type }) => type).sort()).toEqual([...end.published].sort());
    expect(observedVersions(heard).map(({ version }) => version)).toEqual(end.observed.map(({ version }) => version));
  });
});
