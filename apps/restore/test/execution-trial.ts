/**
 * A failover of two databases on a real stand-in, for the injury harness: the store holds what the others published and the execution just
 * requested, the standby has both databases RESTORING two logs before the mark, the source is a port where nobody listens.
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
import { address, databases, failoverInput, manager, silent, standbyInstanceId } from './estate-of-two.ts';
import { commandDependencies, publishedEvents, restoreMigrations, saveEstate } from './open-store.ts';
import { makeHistory } from './real-estate.ts';
import { startInstance, startTwoServers } from './two-servers.ts';

type World = {
  readonly folder: string;
  readonly executionId: ExecutionId;
  readonly port: number;
  readonly user: string;
  readonly password: string;
};

// The statement log is a stand-in's, and its files are copied: a real server has no part in this.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const clock = Date.now;
const servers = new Map<string, TestServer>();
let template: Promise<{ readonly folder: string; readonly executionId: ExecutionId }> | undefined;
let nextWorld: Promise<World> | undefined;

export const trial: InjuryTrial<World> = {
  prepare: async () => {
    const world = await (nextWorld ?? makeWorld());
    // Made while this one is in use: starting a server takes longer than most of what is done with it.
    nextWorld = makeWorld();
    // Read when somebody wants it.
    nextWorld.catch(() => undefined);
    return world;
  },

  start: async ({ folder, executionId, user, password }, { hook, fencingToken }) => {
    const store = await openWorldStore(folder);
    const runner = executionRunner({
      store,
      clock,
      commands: executionCommands({ ...commandDependencies(store), fencingToken }),
      instances: instances({
        store,
        clock,
        env: { SQL_USER: user, SQL_PASSWORD: password },
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
      hook: onceSent(folder, hook),
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
      databases: await databasesEnd(world, execution),
      carriedOut: await carriedOut(world),
    };
  },

  remove: async ({ folder }) => {
    await servers.get(folder)?.close();
    servers.delete(folder);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  },
};

/** What `prepare` made in advance, once nothing is to be prepared any more. */
export async function removePrepared(): Promise<void> {
  if (nextWorld !== undefined) await trial.remove(await nextWorld);
  nextWorld = undefined;
  const made = await template;
  template = undefined;
  if (made !== undefined) await rm(made.folder, { recursive: true, force: true, maxRetries: 5 });
}

async function makeWorld(): Promise<World> {
  template ??= makeTemplate();
  const { folder: made, executionId } = await template;
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-'));
  for (const part of ['standby', 'standby-files', 'restore.db'])
    await cp(join(made, part), join(folder, part), { recursive: true });
  const standby = await startInstance('standby', { folder, share: join(made, 'share'), env });
  servers.set(folder, standby);
  const store = await openWorldStore(folder);
  await store.transaction(tx =>
    saveAddress(tx, {
      instanceId: standbyInstanceId,
      version: 1,
      serverName: 'STANDBY',
      address: { ...standby.address, userRef: 'env:SQL_USER', passwordRef: 'env:SQL_PASSWORD' },
    }),
  );
  await store.close();
  const { user, password } = standby.credentials;
  return { folder, executionId, port: standby.address.port ?? 0, user, password };
}

async function makeTemplate() {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-template-'));
  const two = await startTwoServers(folder, env);
  const known = await makeHistory(two);
  await two.primary.close();
  await two.standby.close();
  const store = await openWorldStore(folder);
  await saveEstate(store, known);
  const dependencies = { ...commandDependencies(store), probe: async () => silent };
  const started = await startFailover(failoverInput(), manager, dependencies);
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

async function databasesEnd({ port, user, password }: World, execution: ExecutionView) {
  const server = await openServer({
    address: { ...address.address, port },
    credentials: { user, password },
    applicationName: 'restore-test',
    clock,
  });
  const seen = (await observeDatabases(server)).databases;
  const ends = [];
  for (const { name } of databases) {
    const state = seen.find(database => database.name === name)?.state;
    const mark = execution.chosen?.markName;
    const log =
      state === 'ONLINE' && mark !== undefined ? await observeMarkLog(server, { database: name, mark }) : undefined;
    ends.push({ name, state, holdsMark: log?.holdsMark, marks: log?.newest });
  }
  await server.close();
  return ends;
}

/**
 * The driver writes a statement some turns after it was told to. What happens at `sent` waits until the server has begun the statement: a
 * process killed earlier would only be killed at `begun` once more.
 */
function onceSent(folder: string, hook: CheckpointHook): CheckpointHook {
  let before = 0;
  const begun = async () => (await restoresOf(folder)).filter(({ outcome }) => outcome === 'started').length;
  return async name => {
    if (name.endsWith('/begun')) before = await begun();
    // Bounded, because on a connection that was ended meanwhile it never begins.
    for (const limit = clock() + 500; name.endsWith('/sent') && clock() < limit && (await begun()) === before;)
      await pause(1);
    return hook(name);
  };
}

type Logged = { readonly program: string; readonly text: string; readonly outcome: string };

/** What the execution sent to change a database, from the stand-in's statement log. */
async function restoresOf(folder: string): Promise<readonly Logged[]> {
  const lines = (await readFile(join(folder, 'standby', 'log', 'statements.jsonl'), 'utf8')).split('\n').slice(0, -1);
  return lines
    .map(line => JSON.parse(line) as Logged)
    .filter(({ program, text }) => program.startsWith('holdfast-restore ') && text.startsWith('RESTORE'));
}

/** How often each statement was carried out, by its text; throws when one must not be repeated and was. */
async function carriedOut({ folder }: World): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const { text, outcome } of await restoresOf(folder))
    if (outcome === 'ok') counts[text] = (counts[text] ?? 0) + 1;
  for (const [text, count] of Object.entries(counts))
    if (count > 1 && /STOPATMARK|^RESTORE DATABASE .* FROM /.test(text))
      throw new Error(`${String(count)} times ${text}`);
  return counts;
}
