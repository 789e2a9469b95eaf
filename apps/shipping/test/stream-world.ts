/** A standby instance of its own with an empty store that knows it, for the trials and suites of the stream runner; made of one template. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StandbyId } from '@holdfast/domain';
import type { TestServer } from '@holdfast/sqlserver/testing';
import type { Store } from '@holdfast/store';
import { saveCopy } from '../src/copy/copy-store.ts';
import type { Copy } from '../src/copy/copy.ts';
import { hashOf } from '../src/copy/transfer-runner.ts';
import type { Standby } from '../src/standby/standby.ts';
import { findStandby } from '../src/standby/standby-store.ts';
import type { Stream } from '../src/stream/stream.ts';
import { listStreams } from '../src/stream/stream-store.ts';
import type { ShippingTables } from '../src/tables.ts';
import { copiesOf, type SetPayload } from './estate.ts';
import { type Circumstances, startStandby } from './source.ts';
import { fillStore, makeTemplate, openWorldStore, removeTemplate, standbyInstanceId, type Template } from './world.ts';

export type StreamWorld = {
  readonly folder: string;
  readonly standbyId: StandbyId;
  readonly sets: readonly SetPayload[];
  readonly port: number;
  readonly user: string;
  readonly password: string;
};

/** Log sets after the full. */
export const logs = 3;
const servers = new Map<string, TestServer>();
let template: Promise<Template> | undefined;

/** `shipped`: this many log sets are at the standby already; the others are known to nobody yet. */
export async function prepareStream(shipped: number, options: WorldOptions = {}): Promise<StreamWorld> {
  template ??= makeTemplate(logs);
  const { backups, sets } = await template;
  return prepareWorld(backups, sets, shipped, options);
}

type WorldOptions = Circumstances & { readonly restAtMark?: boolean };

export async function prepareWorld(
  backups: string,
  sets: readonly SetPayload[],
  shipped: number,
  { restAtMark = false, ...circumstances }: WorldOptions = {},
): Promise<StreamWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-stream-'));
  const copies = join(folder, 'copies');
  await cp(backups, copies, { recursive: true });
  const server = await startStandby(folder, copies, circumstances);
  servers.set(folder, server);
  const store = await openWorldStore(folder);
  const known = sets.slice(0, shipped + 1);
  const places = { read: backups, write: copies, standby: 'E:\\Copies' };
  const standbyId = await fillStore(store, { sets: known, server, folder: places, restAtMark });
  await saveCopies(store, standbyId, known, copies);
  await store.close();
  return { folder, standbyId, sets, port: server.address.port!, ...server.credentials };
}

/** As the copy runner leaves them in `folder`: whole and recognised. */
export async function saveCopies(
  store: Store<ShippingTables>,
  standbyId: StandbyId,
  sets: readonly SetPayload[],
  folder: string,
): Promise<void> {
  const copies: Copy[] = [];
  for (const copy of copiesOf(...sets)) {
    const writePath = join(folder, copy.standbyPath.slice('E:\\Copies\\'.length));
    const sha256 = (await hashOf(writePath)) ?? '';
    copies.push({ ...copy, standbyId, instanceId: standbyInstanceId, writePath, sha256 });
  }
  await store.transaction(async tx => {
    for (const copy of copies) await saveCopy(tx, copy);
  });
}

export function serverOf({ folder }: StreamWorld): TestServer {
  return servers.get(folder)!;
}

export function replaceServer({ folder }: StreamWorld, server: TestServer): void {
  servers.set(folder, server);
}

export type Stored = {
  readonly standby: Standby;
  readonly streams: readonly Stream[];
  /** Reseeds that were asked for. */
  readonly reseeds: number;
};

export async function readStored(store: Store<ShippingTables>, standbyId: StandbyId): Promise<Stored> {
  return store.read(async db => {
    const standby = await findStandby(db, standbyId);
    if (standby === undefined) throw new Error('The standby is gone.');
    const asked = await db.selectFrom('idempotency').select('mutation').execute();
    const reseeds = asked.filter(({ mutation }) => mutation === 'reseedStandby').length;
    return { standby, streams: await listStreams(db, [standbyId]), reseeds };
  });
}

export async function removeStream({ folder }: StreamWorld): Promise<void> {
  await servers.get(folder)?.close();
  servers.delete(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** What `prepare` copies from, once nothing is to be prepared any more. */
export async function removeStreamTemplate(): Promise<void> {
  const made = template;
  template = undefined;
  await removeTemplate(made);
}
