/**
 * A standby from nothing to resting before its newest log, for the injury harness: everything is copied, the standby instance is empty. Then
 * its second database is begun again from the full.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { StandbyId, StreamId } from '@holdfast/domain';
import type { InjuryTrial, Incarnation, Progress, Running } from '@holdfast/service/trial';
import { type RunnerDefinition, startRunner } from '@holdfast/service/runner';
import { openServer } from '@holdfast/sqlserver';
import { openStore, type Store } from '@holdfast/store';
import { StandbyConnections } from '../src/estate/connection-runner.ts';
import { StandbyGate } from '../src/standby/gate.ts';
import type { Standby } from '../src/standby/standby.ts';
import type { InstanceLook } from '../src/stream/assessment.ts';
import { reseedStandby, type ReseedResult, type ReseedStandby } from '../src/stream/reseed-commands.ts';
import { streamRunner } from '../src/stream/stream-runner.ts';
import type { ShippingTables } from '../src/tables.ts';
import type { SetPayload } from './estate.ts';
import { positionAt } from './source.ts';
import { logs, prepareStream, readStored, removeStream, type Stored, type StreamWorld } from './stream-world.ts';
import {
  dependenciesOf,
  isFullRestore,
  loopOptions,
  names,
  openWorldStore,
  operator,
  published,
  sentByShipping,
  standbyInstanceId,
} from './world.ts';

type Beside = { stop(): Promise<void> };

/** Somebody at work beside the runner: looks again and again, until `look` is done or it is stopped. What `look` throws, `stop` throws. */
export function keepLooking(look: (signal: AbortSignal) => Promise<'done' | undefined>): Beside {
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted && (await look(stopping.signal)) !== 'done') await pause(5);
  };
  const running = run();
  // Read when it is stopped.
  running.catch(() => undefined);
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** The stream runner in one world until `isDone`, with somebody `beside` it. */
export function streamTrial(of: {
  readonly prepare: () => Promise<StreamWorld>;
  readonly isDone: (stored: Stored, world: StreamWorld) => boolean;
  readonly beside: (world: StreamWorld, store: Store<ShippingTables>, passes: () => number) => Beside;
  /** More that must be the same in the end. */
  readonly endState?: (world: StreamWorld) => Promise<object>;
}): InjuryTrial<StreamWorld> {
  return {
    runners: ['stream'],
    prepare: of.prepare,
    start: (world, incarnation) =>
      startStream(
        world,
        incarnation,
        stored => of.isDone(stored, world),
        (store, passes) => of.beside(world, store, passes),
      ),
    endState: async world => ({ ...(await of.endState?.(world)), ...(await streamEnd(world)) }),
    remove: removeStream,
    nameOf: nameOfStream,
    progress: progressOfStream,
  };
}

export const trial = streamTrial({
  prepare: () => prepareStream(logs),
  isDone: (stored, { sets }) => stored.reseeds > 0 && isSettled(stored, sets),
  beside: startReseeder,
});

type AnyRunner = RunnerDefinition<
  { readonly standbyId: StandbyId; readonly streamId: StreamId | null },
  unknown,
  unknown,
  unknown
>;

/** The stream runner as the service runs it. `wrap` may look at what it does, not change it. */
export async function startStream(
  world: StreamWorld,
  { hook, fencingToken, holds }: Pick<Incarnation, 'hook' | 'fencingToken'> & Partial<Incarnation>,
  isDone: (stored: Stored, sets: readonly SetPayload[]) => boolean,
  beside: (store: Store<ShippingTables>, passes: () => number) => Beside = () => ({ stop: async () => undefined }),
): Promise<Running> {
  const { folder, standbyId, sets } = world;
  const opened = await openWorldStore(folder);
  const store = holds?.(opened) ?? opened;
  const dependencies = dependenciesOf(store);
  // Read when they are needed: a server that was started anew has another password.
  const env = {
    get USER() {
      return world.user;
    },
    get PASSWORD() {
      return world.password;
    },
  };
  const connections = new StandbyConnections({ ...dependencies, env, fencingToken, parallelRestores: 4 });
  const gate = new StandbyGate();
  const runner = streamRunner({ ...dependencies, fencingToken, connections, gate, noteEveryMs: 60_000 }) as AnyRunner;
  let passes = 0;
  const counted: AnyRunner = { ...runner, subjects: () => runner.subjects().finally(() => (passes += 1)) };
  const others = beside(store, () => passes);
  const loop = startRunner(counted, { ...loopOptions(store, whole(hook)), backOffMs: { first: 1, longest: 5 } });
  return {
    settled: async signal => {
      while (!isDone(await readStored(store, standbyId), sets)) {
        signal.throwIfAborted();
        await pause(5);
      }
      await loop.idle();
    },
    idle: () => loop.idle(),
    failing: () => [...loop.failing().values()],
    stop: async () => {
      await loop.stop();
      await others.stop();
      await connections.close();
      await store.close();
    },
  };
}

/** A process that freezes does so with all of its subjects: who comes to a checkpoint meanwhile waits there too. */
function whole(hook: Incarnation['hook']): Incarnation['hook'] {
  let last: Promise<unknown> = Promise.resolve();
  return async (name, subject) => {
    const before = last;
    const mine = before.then(() => hook(name, subject));
    // Who fails there fails alone.
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** Every database rests before the newest log, and the standby says so. */
export function isSettled({ standby, streams }: Stored, sets: readonly SetPayload[]): boolean {
  const newest = sets.at(-1)!;
  const rests = streams.every(
    ({ state, heldBackSetId, reseed }) => state === 'IN_SYNC' && heldBackSetId === newest.setId && reseed === null,
  );
  return rests && standby.state === 'IN_SYNC' && standby.newestCommonMark === newest.markName;
}

/** Asks for the second database to be begun again, once everything rests; under one key, so that it is asked only once. */
function startReseeder({ standbyId }: StreamWorld, store: Store<ShippingTables>): Beside {
  return keepLooking(async () => {
    const { standby, streams, reseeds } = await readStored(store, standbyId);
    if (reseeds > 0) return 'done';
    const rests = streams.every(({ state, heldBackSetId }) => state === 'IN_SYNC' && heldBackSetId !== null);
    if (!rests || standby.state !== 'IN_SYNC') return undefined;
    const { databaseId } = streams.find(({ databaseName }) => databaseName === names[1])!;
    const result = await reseed(store, standby, { databases: [databaseId] });
    if (result.kind !== 'CHANGED') throw new Error(JSON.stringify(result));
    return undefined;
  });
}

/** As the API calls it, with the positions that are stored in the place of a look. */
export async function reseed(
  store: Store<ShippingTables>,
  { id: standbyId }: Pick<Standby, 'id'>,
  changes: Partial<ReseedStandby> = {},
): Promise<ReseedResult> {
  const input = { idempotencyKey: 'reseed', standbyId, reason: 'trial', confirm: 'Orders', dryRun: false };
  const look = async (): Promise<readonly InstanceLook[]> => {
    const { streams } = await readStored(store, standbyId);
    const databases = streams.flatMap(({ databaseName: name, position }) =>
      position === null
        ? []
        : [{ name, state: 'RESTORING', redoStartLsn: position.lsn, redoStartForkGuid: position.forkGuid }],
    );
    return [{ instanceId: standbyInstanceId, observedAt: new Date().toISOString(), reachable: true, databases }];
  };
  return reseedStandby({ ...dependenciesOf(store), look }, operator, { ...input, databases: null, ...changes });
}

/** Numbers in the place of ids and LSNs: which set ends where a database stands. */
export async function streamEnd({ folder, standbyId, sets, port, user, password }: StreamWorld) {
  const store = await openWorldStore(folder);
  const { standby, streams, reseeds } = await readStored(store, standbyId);
  const events = await published(store);
  await store.close();
  const numberOf = (setId: unknown) => sets.find(set => set.setId === setId)?.number ?? null;
  const placeOf = (databaseName: string, lsn: unknown) => {
    const own = sets.flatMap(({ number, files }) =>
      files.filter(file => file.databaseName === databaseName).map(file => ({ number, file })),
    );
    const resting = own.find(({ file }) => file.markLsn !== null && String(BigInt(file.markLsn) + 1n) === lsn);
    if (resting !== undefined) return `at the mark of ${resting.number}`;
    return own.find(({ file }) => file.header?.lastLsn === lsn)?.number ?? lsn;
  };

  const address = { server: '127.0.0.1', port, instanceName: null, encrypt: false, trustServerCertificate: false };
  const server = await openServer({
    address,
    credentials: { user, password },
    applicationName: 'suite',
    clock: Date.now,
  });
  const databases = [];
  for (const name of names) {
    const at = await positionAt(server, name);
    const stream = streams.find(({ databaseName }) => databaseName === name)!;
    if (stream.position !== null && stream.position.lsn !== at)
      throw new Error(`${name}: stored position ${stream.position.lsn}, but it stands at ${at ?? 'nothing'}`);
    const moved = lastOf(events, 'stream.moved', 'streamId', stream.id);
    databases.push({
      name,
      at: placeOf(name, at),
      state: stream.state,
      reasons: stream.reasons.map(({ code }) => code),
      restored: numberOf(stream.lastRestoredSetId),
      heldBack: numberOf(stream.heldBackSetId),
      lagSets: stream.lagSets,
      seeding: [stream.seedingFileId, stream.seedingEvidence, stream.reseed],
      problem: stream.problem,
      moved: moved && [moved['state'], placeOf(name, moved['position']), numberOf(moved['lastRestoredSetId'])],
    });
  }
  await server.close();
  const changed = lastOf(events, 'standby.changed', 'standbyId', standbyId);
  const sent = await sentByShipping(join(folder, 'standby'));
  return {
    databases,
    standby: [standby.state, standby.reasons.map(({ code }) => code), standby.newestCommonMark, standby.claim],
    changed: changed && [changed['state'], changed['newestCommonMarkName'], changed['yieldedTo']],
    fulls: names.map(name => {
      const reseeded = name === names[1] ? reseeds : 0;
      return countFulls(sent.filter(isFullRestore), `[${name}]`, 1 + reseeded);
    }),
  };
}

/** The newest of one thing. @throws when a version came twice or went back. */
function lastOf(events: Awaited<ReturnType<typeof published>>, type: string, key: string, id: string) {
  const own = events.filter(event => event.type === type && event.payload[key] === id).map(({ payload }) => payload);
  own.reduce((before, { version }) => {
    if (Number(version) <= before) throw new Error(`${type}: version ${String(version)} follows ${String(before)}`);
    return Number(version);
  }, 0);
  return own.at(-1);
}

/** A full starts the sequence again and gives up what was rolled forward: nobody may carry it out more often than asked. */
function countFulls(fulls: Awaited<ReturnType<typeof sentByShipping>>, name: string, most: number): number {
  const count = fulls.filter(({ text }) => text.includes(name)).length;
  if (count > most) throw new Error(`the full of ${name} was restored ${String(count)} times`);
  return count;
}

const databaseNames = new Map<string, string>();

/** The standby as a whole, or one of its databases. */
async function nameOfStream({ folder }: StreamWorld, { subject }: { readonly subject: string }) {
  const streamId = subject.split('/')[1];
  if (streamId === undefined) return 'standby';
  const known = databaseNames.get(streamId);
  if (known !== undefined) return known;
  const store = openStore<ShippingTables>({ file: join(folder, 'shipping.db') });
  const stream = await store.read(db =>
    db.selectFrom('stream').select('database_name').where('stream_id', '=', streamId).executeTakeFirstOrThrow(),
  );
  await store.close();
  databaseNames.set(streamId, stream.database_name);
  return stream.database_name;
}

/** What was carried out of a restoring step's kind; the others take effect by being recorded. */
async function progressOfStream(
  world: StreamWorld,
  { subject, step }: { readonly subject: string; readonly step: string },
): Promise<Progress | undefined> {
  if (!/^(restore|reseed)/.test(step)) return undefined;
  const start = `RESTORE ${/full|reseed/.test(step) ? 'DATABASE' : 'LOG'} [${await nameOfStream(world, { subject })}] `;
  const sent = await sentByShipping(join(world.folder, 'standby'));
  const done = sent.filter(
    ({ text, outcome }) =>
      outcome === 'ok' && text.startsWith(start) && text.includes('STOPATMARK') === step.endsWith('_to_mark'),
  );
  return { steps: done.length };
}
