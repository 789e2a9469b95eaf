import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GroupId, InstanceId, StandbyId } from '@holdfast/domain';
import { eventCodec } from '@holdfast/events';
import { createOutbox } from '@holdfast/messaging';
import { type Caller, createLogger, discoveredId, newId } from '@holdfast/service';
import { shellMigrations } from '@holdfast/service/host';
import type { RunnerLoopOptions } from '@holdfast/service/runner';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { migrate, openStore, type Store } from '@holdfast/store';
import type { KnownGroup } from '../src/estate/estate.ts';
import { saveAddress, saveGroup, saveInstance, saveSet } from '../src/estate/estate-store.ts';
import type { TargetObservation } from '../src/standby/finding.ts';
import type { TransferFolder } from '../src/standby/standby.ts';
import { createStandby } from '../src/standby/standby-commands.ts';
import type { ShippingTables } from '../src/tables.ts';
import type { SetPayload } from './estate.ts';
import { startSource } from './source.ts';

// What the trials share: backups made once by a real primary, and a store as the consumers would have filled it.

export const names = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb'];
export const standbyInstanceId = discoveredId('instance', 'STANDBY\\BTS') as InstanceId;
const primaryId = discoveredId('instance', 'PRIMARY\\BTS') as InstanceId;
export const operator: Caller = { sub: 'test', roles: ['operator'], groups: ['*'] };
const clock = Date.now;

export type Template = { readonly folder: string; readonly backups: string; readonly sets: readonly SetPayload[] };

/** One full and `logs` log sets of both databases; the primary is gone afterwards. `fill` runs before the full, in the source. */
export async function makeTemplate(logs: number, fill: readonly string[] = []): Promise<Template> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-shipping-template-'));
  const { take, run, backups, close } = await startSource(folder, names);
  try {
    for (const text of fill) await run(text);
    const sets = [await take('FULL')];
    while (sets.length <= logs) sets.push(await take('LOG'));
    return { folder, backups, sets };
  } finally {
    await close();
  }
}

export async function removeTemplate(made: Promise<Template> | undefined): Promise<void> {
  if (made !== undefined) await rm((await made).folder, { recursive: true, force: true, maxRetries: 5 });
}

export async function openWorldStore(folder: string): Promise<Store<ShippingTables>> {
  const store = openStore<ShippingTables>({ file: join(folder, 'shipping.db') });
  await migrate(store, [
    ...shellMigrations,
    { source: 'shipping', folder: new URL('../migrations/', import.meta.url) },
  ]);
  return store;
}

export function dependenciesOf(store: Store<ShippingTables>) {
  const outbox = createOutbox({ service: 'shipping', codec: eventCodec, clock, newId: () => newId(clock) });
  return { store, outbox, clock };
}

/** What every runner of a trial runs under. */
export function loopOptions(store: Store<ShippingTables>, hook: NonNullable<RunnerLoopOptions['hook']>) {
  return {
    clock,
    logger: createLogger({ service: 'shipping', level: 'silent' }),
    intervalMs: 20,
    backOffMs: { first: 5, longest: 50 },
    wakeOn: (listener: () => void) => store.afterCommit(listener),
    hook,
  } satisfies RunnerLoopOptions;
}

const soundTarget: TargetObservation = {
  reachable: true,
  productVersion: '16.0.1000.6',
  databases: [],
  inDoubtResolution: 2,
  mayCreateDatabases: true,
  volumes: { known: true, availableBytes: [String(2 ** 40)] },
  folders: [],
};

/** As the consumers record what inventory and backup publish; then the standby is created. */
export async function fillStore(
  store: Store<ShippingTables>,
  known: {
    readonly sets: readonly SetPayload[];
    readonly server: Pick<TestServer, 'address'>;
    readonly folder: Omit<TransferFolder, 'source' | 'sourceInstance'>;
    readonly restAtMark?: boolean;
  },
): Promise<StandbyId> {
  const { groupId } = known.sets[0]!;
  await store.transaction(async tx => {
    await saveGroup(tx, groupOf(groupId as GroupId));
    await saveInstance(tx, {
      instanceId: standbyInstanceId,
      version: 1,
      serverName: 'STANDBY\\BTS',
      productVersion: '16.0.1000.6',
    });
    for (const set of known.sets) await saveSet(tx, set);
  });
  await saveServer(store, known.server, 1);
  const transfer = { ...known.folder, source: 'D:\\Backup', sourceInstance: 'PRIMARY\\BTS' };
  const created = await createStandby(
    {
      ...dependenciesOf(store),
      look: async () => soundTarget,
    },
    operator,
    {
      idempotencyKey: 'trial',
      groupId: groupId as GroupId,
      site: 'Cork',
      mode: 'MANAGED',
      restAtMark: known.restAtMark ?? false,
      dryRun: false,
      instances: [
        { instanceId: standbyInstanceId, sourceInstances: ['PRIMARY\\BTS'], kind: 'COPY', folders: [transfer] },
      ],
    },
  );
  if (created.kind !== 'CREATED') throw new Error(JSON.stringify(created));
  return created.standby.id;
}

/** Where the standby instance is; again with a greater version when it was started anew. */
export async function saveServer(
  store: Store<ShippingTables>,
  server: Pick<TestServer, 'address'>,
  version: number,
): Promise<void> {
  await store.transaction(tx =>
    saveAddress(tx, {
      instanceId: standbyInstanceId,
      version,
      serverName: 'STANDBY\\BTS',
      address: { ...server.address, userRef: 'env:USER', passwordRef: 'env:PASSWORD' },
    }),
  );
}

function groupOf(groupId: GroupId): KnownGroup {
  return {
    groupId,
    version: 1,
    name: 'Orders',
    site: 'Dublin',
    observedAt: new Date(clock()).toISOString(),
    managementDatabaseId: discoveredId('database', names[0]!),
    instances: [{ instanceId: primaryId, name: 'PRIMARY\\BTS', serverName: 'PRIMARY\\BTS', productVersion: '13.0.1' }],
    databases: names.map(name => ({
      databaseId: discoveredId('database', name),
      name,
      role: 'OTHER' as const,
      instanceId: primaryId,
      inBackupJob: true,
      state: 'ONLINE',
      recoveryModel: 'FULL',
    })),
  };
}

export type Published = { readonly type: string; readonly at: string; readonly payload: Record<string, unknown> };

/** Everything in the outbox, in order; `type` without what all have in common. */
export async function published(store: Store<ShippingTables>): Promise<readonly Published[]> {
  const rows = await store.read(db =>
    db.selectFrom('outbox').select(['type', 'body', 'created_at']).orderBy('seq').execute(),
  );
  return rows.map(({ type, body, created_at: at }) => ({
    type: type.split('.').slice(-3, -1).join('.'),
    at,
    payload: (JSON.parse(body) as { data: Record<string, unknown> }).data,
  }));
}

export type Sent = { readonly at: string; readonly program: string; readonly text: string; readonly outcome: string };

/** The stand-in's statement log: only what shipping sent. */
export async function sentByShipping(instanceFolder: string): Promise<readonly Sent[]> {
  const lines = (await readFile(join(instanceFolder, 'log', 'statements.jsonl'), 'utf8')).split('\n').slice(0, -1);
  return lines.map(line => JSON.parse(line) as Sent).filter(({ program }) => program.startsWith('holdfast-shipping'));
}

/** Ours without its purpose: a full restore that was carried out. */
export function isFullRestore({ text, outcome }: Sent): boolean {
  return outcome === 'ok' && /^RESTORE DATABASE .* FROM /.test(text);
}
