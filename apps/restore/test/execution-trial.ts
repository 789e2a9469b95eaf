/**
 * A failover on real stand-ins, for the injury harness: the store holds what the others published and the execution just requested, the
 * standby has all databases RESTORING two logs before the mark. Sources are a port where nobody listens, but those that live: these answer,
 * with the Backup job on its schedule, and are fenced.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionId, InstanceId } from '@holdfast/domain';
import { executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import { createLogger } from '@holdfast/service';
import { carriedOnce, carryEvents, type InjuryTrial } from '@holdfast/service/trial';
import { startRunner } from '@holdfast/service/runner';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { migrate, openStore, type Store } from '@holdfast/store';
import { saveAddress } from '../src/estate/estate-store.ts';
import { executionCommands } from '../src/execution/execution-commands.ts';
import { executionRunner } from '../src/execution/execution-runner.ts';
import { instances } from '../src/execution/instance-runner.ts';
import { startFailover } from '../src/failover/failover-commands.ts';
import type { RestoreTables } from '../src/tables.ts';
import { addBackupJob } from './backup-job.ts';
import { address, failoverInput, manager, onePlace, type Shape, silent } from './estate-of-two.ts';
import { leaveInDoubt } from './in-doubt-source.ts';
import { commandDependencies, publishedEvents, restoreMigrations, saveEstate } from './open-store.ts';
import { makeHistoryOf } from './real-estate.ts';
import { databasesEnd, eventsEnd, executionEnd, type Reached, sourcesEnd } from './trial-end.ts';
import { confirmAll, changeMind, executionOf } from './trial-people.ts';
import { carriedOut, changesOf, isSentBy, onceSent } from './trial-statements.ts';
import { backupFolder, startInstance } from './two-servers.ts';

type World = {
  readonly folder: string;
  readonly executionId: ExecutionId;
  /** Of each standby instance, in the order of the shape's places. */
  readonly standbys: readonly Reached[];
  /** Source instances that live, in the order of `living`. */
  readonly sources: readonly Reached[];
};

export type Circumstances = {
  /** Places whose source lives; the others are a port where nobody listens. */
  readonly living?: readonly number[];
  /** Planned, and cancelled while shipping has not answered yet: everything at the source, there and back. */
  readonly thereAndBack?: boolean;
  /** The first place's source dies while what it has prepared at the second one's waits for its decision. */
  readonly inDoubt?: boolean;
  /** The payload of the last log of the last database is damaged: people accept the older mark that is offered. */
  readonly rotten?: boolean;
};

// The statement log is a stand-in's, and its files are copied: a real server has no part in this.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const clock = Date.now;
/** So that what is waited for by the clock is not waited for by us. */
const fastClock = () => Date.now() * 20;
const nameOf = (place: number) => (place === 0 ? 'standby' : `standby${String(place + 1)}`);

export const { trial, removePrepared } = executionTrial(onePlace);

/** The trial of a failover of this shape, and what removes what it made in advance once nothing is to be prepared any more. */
export function executionTrial(
  shape: Shape,
  { living = [], thereAndBack = false, inDoubt = false, rotten = false }: Circumstances = {},
): {
  readonly trial: InjuryTrial<World>;
  readonly removePrepared: () => Promise<void>;
} {
  const servers = new Map<string, readonly TestServer[]>();
  let template: Promise<{ readonly folder: string; readonly executionId: ExecutionId }> | undefined;
  let nextWorld: Promise<World> | undefined;

  const trial: InjuryTrial<World> = {
    runners: ['execution', 'relay'],

    prepare: async () => {
      const world = await (nextWorld ?? makeWorld());
      // Made while this one is in use: starting a server takes longer than most of what is done with it.
      nextWorld = makeWorld();
      // Read when somebody wants it.
      nextWorld.catch(() => undefined);
      return world;
    },

    start: async ({ folder, executionId, standbys, sources }, { hook, fencingToken, holds }) => {
      const store = holds(await openWorldStore(folder));
      const reached = instances({
        store,
        clock,
        env: Object.fromEntries([
          ['SQL_USER', 'nobody'],
          ['SQL_PASSWORD', 'nobody'],
          ...[...standbys, ...sources].flatMap(({ name, user, password }) => [
            [`${name}_USER`, user],
            [`${name}_PASSWORD`, password],
          ]),
        ]) as Record<string, string>,
        fencingToken: String(fencingToken),
        probeTimeoutMs: 60_000,
      });
      const runner = executionRunner({
        parallelRestores: 4,
        store,
        clock: inDoubt ? fastClock : clock,
        commands: executionCommands({ ...commandDependencies(store), fencingToken }),
        instances: reached,
      });
      const publishes = [executionChanged, standbyClaimed, standbyReleased];
      const relay = await carryEvents({ store, service: 'restore', publishes, folder, hook });
      const others = thereAndBack ? changeMind(store, executionId) : confirmAll(store, executionId);
      const loop = startRunner(runner, {
        clock,
        logger: createLogger({ service: 'restore', level: 'silent' }),
        intervalMs: 20,
        backOffMs: { first: 1, longest: 5 },
        wakeOn: listener => store.afterCommit(listener),
        hook: onceSent(() => changesOf(namesOf(shape, living), folder), hook),
      });
      return {
        settled: async signal => {
          while ((await executionOf(store, executionId)).finishedAt === null) {
            signal.throwIfAborted();
            await pause(5);
          }
          await relay.settled(signal);
        },
        idle: () => loop.idle(),
        failing: () => [...loop.failing().values()],
        stop: async () => {
          await loop.stop();
          await reached.close();
          await others.stop();
          await relay.stop();
          await store.close();
        },
      };
    },

    endState: async world => {
      const store = await openWorldStore(world.folder);
      const execution = await executionOf(store, world.executionId);
      const events = await publishedEvents(store);
      await carriedOnce(store, world.folder);
      await store.close();
      // Throws when something that must not be repeated was.
      const sent = await carriedOut(namesOf(shape, living), world.folder);
      return {
        execution: executionEnd(execution, rotten),
        events: eventsEnd(events),
        databases: await databasesEnd(shape, world.standbys, execution),
        sources: await sourcesEnd(shape, living, world.sources),
        carriedOut: rotten ? 'nothing twice' : sent,
      };
    },

    // Several databases' statements are sent within one step; each takes effect once, whether that is noted or not.
    progress: async ({ folder }, { step }) => {
      const changes = await changesOf(namesOf(shape, living), folder);
      return { statements: changes.filter(({ text, outcome }) => outcome === 'ok' && isSentBy(step, text)).length };
    },

    remove: async ({ folder }) => {
      for (const server of servers.get(folder) ?? []) await server.close();
      servers.delete(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };

  async function removePrepared(): Promise<void> {
    if (nextWorld !== undefined) await trial.remove(await nextWorld);
    nextWorld = undefined;
    const made = await template;
    template = undefined;
    if (made !== undefined) await rm(made.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async function makeWorld(): Promise<World> {
    template ??= makeTemplate(shape, { living, thereAndBack, inDoubt, rotten });
    const { folder: made, executionId } = await template;
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-'));
    const names = namesOf(shape, living);
    for (const part of [...names.flatMap(name => [name, `${name}-files`]), 'restore.db'])
      await cp(join(made, part), join(folder, part), { recursive: true });
    const started = await Promise.all(
      names.map(name => startInstance('standby', { folder, share: join(made, 'share'), env }, name)),
    );
    servers.set(folder, started);
    const store = await openWorldStore(folder);
    await store.transaction(async tx => {
      for (const [place, server] of started.entries())
        await saveAddress(tx, {
          instanceId: idsOf(shape, living)[place]!,
          // Newer than the port where nobody listens.
          version: 2,
          serverName: names[place]!,
          address: {
            ...server.address,
            userRef: `env:${names[place]!}_USER`,
            passwordRef: `env:${names[place]!}_PASSWORD`,
          },
        });
    });
    await store.close();
    const reached = started.map(({ address: { port }, credentials }, index) => ({
      name: names[index]!,
      port: port ?? 0,
      ...credentials,
    }));
    const standbys = reached.slice(0, shape.places.length);
    return { folder, executionId, standbys, sources: reached.slice(shape.places.length) };
  }

  return { trial, removePrepared };
}

/** Folders and names of the instances that run: all standbys, then the sources that live. */
function namesOf({ places }: Shape, living: readonly number[]): readonly string[] {
  return [...places.map((_, place) => nameOf(place)), ...living.map(sourceName)];
}

function idsOf({ places }: Shape, living: readonly number[]) {
  return [...places.map(({ standbyInstanceId }) => standbyInstanceId), ...living.map(place => places[place]!.sourceId)];
}

function sourceName(place: number): string {
  return `source${String(place)}`;
}

async function makeTemplate(shape: Shape, { living, thereAndBack, inDoubt, rotten }: Required<Circumstances>) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-template-'));
  const place = { folder, share: join(folder, 'share'), env };
  const start = (role: 'primary' | 'standby', name: (index: number) => string) =>
    Promise.all(shape.places.map((_, index) => startInstance(role, place, name(index))));
  const sources = await start('primary', sourceName);
  const standbys = await start('standby', nameOf);
  const known = await makeHistoryOf(shape, { sources, standbys, backup: backupFolder(env) });
  for (const place of living) if (!inDoubt) await addBackupJob(sources[place]!);
  for (const server of [...sources, ...standbys]) await server.close();
  if (inDoubt) {
    const [coordinator, participant] = [0, 1].map(index => ({
      name: sourceName(index),
      database: shape.databases.find(database => database.place === index)!.name,
    }));
    await leaveInDoubt(folder, coordinator!, participant!);
  }
  if (rotten) await damage(join(place.share, `${shape.databases.at(-1)!.name}_3.bak`));
  const store = await openWorldStore(folder);
  await saveEstate(store, known);
  await store.transaction(async tx => {
    // Nobody listens there.
    for (const { sourceId: instanceId, source: serverName } of shape.places)
      await saveAddress(tx, { ...address, instanceId, serverName });
  });
  const alive = living.map(place => shape.places[place]!.sourceId);
  const probe = async (asked: InstanceId) =>
    alive.includes(asked) ? ({ answer: 'ANSWERS', evidence: 'It accepted a connection.' } as const) : silent;
  const dependencies = { ...commandDependencies(store), probe };
  const declaredUnreachable = shape.places
    .filter(({ sourceId }) => !alive.includes(sourceId))
    .map(({ sourceId: instanceId }) => ({ instanceId, reason: 'gone' }));
  const started = await startFailover(
    failoverInput({ declaredUnreachable, mode: thereAndBack ? 'PLANNED' : 'UNPLANNED' }),
    manager,
    dependencies,
  );
  if ('refused' in started) throw new Error(started.message);
  await store.close();
  return { folder, executionId: started.executionId };
}

async function openWorldStore(folder: string): Promise<Store<RestoreTables>> {
  const store = openStore<RestoreTables>({ file: join(folder, 'restore.db') });
  await migrate(store, restoreMigrations);
  return store;
}

/** Within the payload, so that header and size stay as they were. */
async function damage(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 100) ^ 0xff, bytes.length - 100);
  await writeFile(file, bytes);
}
