/**
 * Two databases' backup files on their way to a standby, for the injury harness: a share with the files of a real primary, an empty
 * destination, one standby instance for all worlds that only reads headers.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { StandbyId } from '@holdfast/domain';
import { fileCopied, standbyChanged } from '@holdfast/events';
import { carriedOnce, carryEvents, type InjuryTrial } from '@holdfast/service/trial';
import { startRunner } from '@holdfast/service/runner';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { CopyMeter } from '../src/copy/copy-meter.ts';
import { copyRunner } from '../src/copy/copy-runner.ts';
import { listCopies } from '../src/copy/copy-store.ts';
import { StandbyConnections } from '../src/estate/connection-runner.ts';
import { StandbyGate } from '../src/standby/gate.ts';
import { startStandby } from './source.ts';
import {
  dependenciesOf,
  fillStore,
  loopOptions,
  makeTemplate,
  openWorldStore,
  published,
  removeTemplate,
  type Template,
} from './world.ts';

type World = {
  readonly folder: string;
  readonly destination: string;
  readonly backups: string;
  readonly standbyId: StandbyId;
  readonly files: number;
  readonly user: string;
  readonly password: string;
};
type Shared = { readonly folder: string; readonly template: Template; readonly server: TestServer };

/** So small that every file is flushed several times. */
const flushEveryBytes = 512;

let shared: Promise<Shared> | undefined;

export const trial: InjuryTrial<World> = {
  runners: ['copy', 'relay'],

  prepare: async () => {
    shared ??= makeShared();
    const { folder: root, template, server } = await shared;
    const { backups, sets } = template;
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-copy-'));
    const destination = await mkdtemp(join(root, 'copies', 'world-'));
    const store = await openWorldStore(folder);
    const standby = `E:\\Copies\\${basename(destination)}\\deep`;
    const places = { read: backups, write: join(destination, 'deep'), standby };
    const standbyId = await fillStore(store, { sets, server, folder: places });
    await store.close();
    const files = sets.flatMap(set => set.files).length;
    return { folder, destination, backups, standbyId, files, ...server.credentials };
  },

  start: async ({ folder, standbyId, files, user, password }, { hook, fencingToken, holds }) => {
    const store = holds(await openWorldStore(folder));
    const dependencies = dependenciesOf(store);
    const env = { USER: user, PASSWORD: password };
    const connections = new StandbyConnections({ ...dependencies, env, fencingToken, parallelRestores: 4 });
    const gate = new StandbyGate();
    const meter = new CopyMeter(Date.now);
    const runner = copyRunner({ ...dependencies, fencingToken, connections, gate, flushEveryBytes, meter });
    const publishes = [standbyChanged, fileCopied];
    const relay = await carryEvents({ store, service: 'shipping', publishes, folder, hook });
    const loop = startRunner(runner, { ...loopOptions(store, hook), backOffMs: { first: 1, longest: 5 } });
    return {
      settled: async signal => {
        for (;;) {
          const copies = await store.read(db => listCopies(db, [standbyId]));
          if (copies.length === files && copies.every(({ state }) => state === 'VERIFIED')) break;
          signal.throwIfAborted();
          await pause(5);
        }
        await loop.idle();
        await relay.settled(signal);
      },
      idle: () => loop.idle(),
      failing: () => [...loop.failing().values()],
      stop: async () => {
        await loop.stop();
        await relay.stop();
        await connections.close();
        await store.close();
      },
    };
  },

  endState: async ({ folder, destination, backups, standbyId }) => {
    const there = await filesIn(join(destination, 'deep'));
    const wanted = new Map((await filesIn(backups)).map(file => [file.name, file]));
    for (const { name, sha256 } of there) {
      const source = wanted.get(name);
      if (source !== undefined && source.sha256 !== sha256)
        throw new Error(`${name} is not the file it is named after`);
    }
    const store = await openWorldStore(folder);
    const copies = await store.read(db => listCopies(db, [standbyId]));
    const events = await published(store);
    await carriedOnce(store, folder);
    await store.close();
    return {
      there,
      copies: copies
        .map(({ state, writePath, size, sha256, prefix, problem, header }) => {
          return [basename(writePath), state, size, sha256?.slice(0, 8), prefix, problem, header?.lastLsn];
        })
        .toSorted(),
      copied: events
        .filter(({ type }) => type === 'file.copied')
        .map(({ payload }) => [payload['databaseId'], payload['setId'], payload['size']])
        .toSorted(),
    };
  },

  remove: async ({ folder, destination }) => {
    for (const made of [folder, destination]) await rm(made, { recursive: true, force: true, maxRetries: 5 });
  },
};

/** What all worlds use, once none is to be prepared any more. */
export async function closeShared(): Promise<void> {
  const made = await shared;
  shared = undefined;
  if (made === undefined) return;
  await made.server.close();
  await removeTemplate(Promise.resolve(made.template));
  await rm(made.folder, { recursive: true, force: true, maxRetries: 5 });
}

async function makeShared(): Promise<Shared> {
  const template = await makeTemplate(1);
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-copy-standby-'));
  await mkdir(join(folder, 'copies'));
  return { folder, template, server: await startStandby(folder, join(folder, 'copies')) };
}

async function filesIn(folder: string) {
  const files = [];
  for (const name of (await readdir(folder)).toSorted()) {
    const content = await readFile(join(folder, name));
    files.push({ name, size: content.length, sha256: createHash('sha256').update(content).digest('hex').slice(0, 16) });
  }
  return files;
}
