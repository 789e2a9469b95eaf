/**
 * A failover on real stand-ins, for the injury harness: the store holds what the others published and the execution just requested, the
 * standby has all databases RESTORING two logs before the mark, the sources are a port where nobody listens.
 */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionId } from '@holdfast/domain';
import { createLogger } from '@holdfast/service';
import type { InjuryTrial } from '@holdfast/service/injury';
import { type CheckpointHook, startRunner } from '@holdfast/service/runner';
import { openServer } from '@holdfast/sqlserver';
import { observeDatabases, observeMarkLog } from '@holdfast/sqlserver/observe';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { migrate, openStore, type Store } from '@holdfast/store';
import { saveAddress, saveYield } from '../src/estate/estate-store.ts';
import { executionCommands } from '../src/execution/execution-commands.ts';
import { executionRunner } from '../src/execution/execution-runner.ts';
import { findExecution } from '../src/execution/execution-store.ts';
import type { ExecutionView } from '../src/execution/execution.ts';
import { instances } from '../src/execution/instance-runner.ts';
import { startFailover } from '../src/failover/failover-commands.ts';
import type { RestoreTables } from '../src/tables.ts';
import { address, failoverInput, manager, onePlace, type Shape, silent } from './estate-of-two.ts';
import { commandDependencies, publishedEvents, restoreMigrations, saveEstate } from './open-store.ts';
import { makeHistoryOf } from './real-estate.ts';
import { backupFolder, startInstance } from './two-servers.ts';

type World = {
  readonly folder: string;
  readonly executionId: ExecutionId;
  /** Of each standby instance, in the order of the shape's places. */
  readonly standbys: readonly { readonly port: number; readonly user: string; readonly password: string }[];
};

// The statement log is a stand-in's, and its files are copied: a real server has no part in this.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const clock = Date.now;
const nameOf = (place: number) => (place === 0 ? 'standby' : `standby${String(place + 1)}`);

export const { trial, removePrepared } = executionTrial(onePlace);

/** The trial of a failover of this shape, and what removes what it made in advance once nothing is to be prepared any more. */
export function executionTrial(shape: Shape): {
  readonly trial: InjuryTrial<World>;
  readonly removePrepared: () => Promise<void>;
} {
  const servers = new Map<string, readonly TestServer[]>();
  let template: Promise<{ readonly folder: string; readonly executionId: ExecutionId }> | undefined;
  let nextWorld: Promise<World> | undefined;

  const trial: InjuryTrial<World> = {
    prepare: async () => {
      const world = await (nextWorld ?? makeWorld());
      // Made while this one is in use: starting a server takes longer than most of what is done with it.
      nextWorld = makeWorld();
      // Read when somebody wants it.
      nextWorld.catch(() => undefined);
      return world;
    },

    start: async ({ folder, executionId, standbys }, { hook, fencingToken }) => {
      const store = await openWorldStore(folder);
      const runner = executionRunner({
        parallelRestores: 4,
        store,
        clock,
        commands: executionCommands({ ...commandDependencies(store), fencingToken }),
        instances: instances({
          store,
          clock,
          env: Object.fromEntries([
            ['SQL_USER', 'nobody'],
            ['SQL_PASSWORD', 'nobody'],
            ...standbys.flatMap(({ user, password }, place) => [
              [`${nameOf(place)}_USER`, user],
              [`${nameOf(place)}_PASSWORD`, password],
            ]),
          ]) as Record<string, string>,
          fencingToken: String(fencingToken),
          probeTimeoutMs: 2_000,
        }),
      });
      const shipping = answerClaims(store, executionId);
      const loop = startRunner(runner, {
        clock,
        logger: createLogger({ service: 'restore', level: 'silent' }),
        intervalMs: 20,
        backOffMs: { first: 5, longest: 50 },
        wakeOn: listener => store.afterCommit(listener),
        hook: onceSent(() => restoresOf(shape, folder), hook),
      });
      return {
        settled: async signal => {
          while ((await executionOf(store, executionId)).finishedAt === null) {
            signal.throwIfAborted();
            await pause(5);
          }
        },
        idle: () => loop.idle(),
        failing: () => [...loop.failing().values()],
        stop: async () => {
          await loop.stop();
          await shipping.stop();
          await store.close();
        },
      };
    },

    endState: async world => {
      const store = await openWorldStore(world.folder);
      const execution = await executionOf(store, world.executionId);
      const events = await publishedEvents(store);
      await store.close();
      return {
        execution: executionEnd(execution),
        events: eventsEnd(events),
        databases: await databasesEnd(shape, world, execution),
        carriedOut: await carriedOut(shape, world),
      };
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
    template ??= makeTemplate(shape);
    const { folder: made, executionId } = await template;
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-'));
    const names = shape.places.map((_, place) => nameOf(place));
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
          instanceId: shape.places[place]!.standbyInstanceId,
          version: 1,
          serverName: nameOf(place),
          address: {
            ...server.address,
            userRef: `env:${nameOf(place)}_USER`,
            passwordRef: `env:${nameOf(place)}_PASSWORD`,
          },
        });
    });
    await store.close();
    const standbys = started.map(({ address: { port }, credentials }) => ({ port: port ?? 0, ...credentials }));
    return { folder, executionId, standbys };
  }

  return { trial, removePrepared };
}

async function makeTemplate(shape: Shape) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-template-'));
  const place = { folder, share: join(folder, 'share'), env };
  const start = (role: 'primary' | 'standby', name: (index: number) => string) =>
    Promise.all(shape.places.map((_, index) => startInstance(role, place, name(index))));
  const sources = await start('primary', index => `source${String(index)}`);
  const standbys = await start('standby', nameOf);
  const known = await makeHistoryOf(shape, { sources, standbys, backup: backupFolder(env) });
  for (const server of [...sources, ...standbys]) await server.close();
  const store = await openWorldStore(folder);
  await saveEstate(store, known);
  await store.transaction(async tx => {
    // Nobody listens there.
    for (const { sourceId: instanceId, source: serverName } of shape.places)
      await saveAddress(tx, { ...address, instanceId, serverName });
  });
  const dependencies = { ...commandDependencies(store), probe: async () => silent };
  const declaredUnreachable = shape.places.map(({ sourceId: instanceId }) => ({ instanceId, reason: 'gone' }));
  const started = await startFailover(failoverInput({ declaredUnreachable }), manager, dependencies);
  if ('refused' in started) throw new Error(started.message);
  await store.close();
  return { folder, executionId: started.executionId };
}

async function openWorldStore(folder: string): Promise<Store<RestoreTables>> {
  const store = openStore<RestoreTables>({ file: join(folder, 'restore.db') });
  await migrate(store, await restoreMigrations());
  return store;
}

async function executionOf(store: Store<RestoreTables>, executionId: ExecutionId): Promise<ExecutionView> {
  const execution = await store.read(db => findExecution(db, executionId));
  if (execution === undefined) throw new Error('The execution is gone.');
  return execution;
}

/** Shipping's answer, recorded as the consumer does when `standby.yielded` comes. */
function answerClaims(store: Store<RestoreTables>, executionId: ExecutionId) {
  let answering: Promise<void> = Promise.resolve();
  const answer = async () => {
    const { state, standbyId } = await executionOf(store, executionId);
    if (state !== 'DRAINING') return;
    const yieldedAt = new Date(clock()).toISOString();
    await store.transaction(tx => saveYield(tx, { executionId, standbyId, yieldedAt }));
    stopListening();
  };
  const look = () => {
    answering = answering.then(answer);
  };
  const stopListening = store.afterCommit(look);
  look();
  return {
    stop: async () => {
      stopListening();
      await answering;
    },
  };
}

function executionEnd({ state, chosen, dataLoss, passedPointOfNoReturn, sources, steps }: ExecutionView) {
  return {
    state,
    chosen,
    atLeastSeconds: dataLoss?.atLeastSeconds,
    passedPointOfNoReturn,
    sources: sources.map(({ instanceName, outcome, by }) => ({ instanceName, outcome, by })),
    // Not how often a step was begun: that is what injuries change.
    steps: steps.map(step => ({
      work: step.work,
      state: step.state,
      percent: step.progressPercent,
      ended: step.startedAt !== null && step.finishedAt !== null,
      reasons: step.reasons.map(({ code }) => code),
    })),
  };
}

function eventsEnd(events: Awaited<ReturnType<typeof publishedEvents>>) {
  let version = 0;
  return events.map(({ type, data }) => {
    if (type !== 'execution.changed') return [type, data['outcome'] ?? null];
    const next = Number(data['version']);
    if (next <= version) throw new Error(`execution.changed ${String(next)} follows ${String(version)}.`);
    version = next;
    return [type, data['state'], data['markName'], data['passedPointOfNoReturn']];
  });
}

async function databasesEnd(shape: Shape, { standbys }: World, execution: ExecutionView) {
  const ends = [];
  for (const [place, { port, ...credentials }] of standbys.entries()) {
    const server = await openServer({
      address: { ...address.address, port },
      credentials,
      applicationName: 'restore-test',
      clock,
    });
    const seen = (await observeDatabases(server)).databases;
    for (const { name } of shape.databases.filter(database => database.place === place)) {
      const state = seen.find(database => database.name === name)?.state;
      const mark = execution.chosen?.markName;
      const log =
        state === 'ONLINE' && mark !== undefined ? await observeMarkLog(server, { database: name, mark }) : undefined;
      ends.push({ name, state, holdsMark: log?.holdsMark, marks: log?.newest });
    }
    await server.close();
  }
  return ends;
}

/**
 * The driver writes a statement some turns after it was told to. What happens at `sent` waits until the server has begun the statement: a
 * process killed earlier would only be killed at `begun` once more.
 */
function onceSent(restores: () => Promise<readonly Logged[]>, hook: CheckpointHook): CheckpointHook {
  const begun = async () => (await restores()).filter(({ outcome }) => outcome === 'started').length;
  let expected: Promise<number> | undefined;
  return async name => {
    if (name.endsWith('/begun')) {
      // Counted from the first one on: several are sent side by side.
      expected ??= begun();
      await expected;
    }
    if (name.endsWith('/sent')) {
      const atLeast = (expected = (expected ?? begun()).then(count => count + 1));
      // Bounded, because on a connection that was ended meanwhile it never begins.
      for (const limit = clock() + 500; clock() < limit && (await begun()) < (await atLeast);) await pause(1);
    }
    return hook(name);
  };
}

type Logged = { readonly program: string; readonly text: string; readonly outcome: string };

/** What the execution sent to change a database, from the stand-in's statement log. */
async function restoresOf({ places }: Shape, folder: string): Promise<readonly Logged[]> {
  const logs = places.map((_, place) => readFile(join(folder, nameOf(place), 'log', 'statements.jsonl'), 'utf8'));
  const lines = (await Promise.all(logs)).flatMap(log => log.split('\n').slice(0, -1));
  return lines
    .map(line => JSON.parse(line) as Logged)
    .filter(({ program, text }) => program.startsWith('holdfast-restore ') && text.startsWith('RESTORE'));
}

/** How often each statement was carried out, by its text; throws when one must not be repeated and was. */
async function carriedOut(shape: Shape, { folder }: World): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const { text, outcome } of await restoresOf(shape, folder))
    if (outcome === 'ok') counts[text] = (counts[text] ?? 0) + 1;
  for (const [text, count] of Object.entries(counts))
    if (count > 1 && /STOPATMARK|^RESTORE DATABASE .* FROM /.test(text))
      throw new Error(`${String(count)} times ${text}`);
  return counts;
}
