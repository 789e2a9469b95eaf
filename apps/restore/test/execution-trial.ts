/**
 * A failover on real stand-ins, for the injury harness: the store holds what the others published and the execution just requested, the
 * standby has all databases RESTORING two logs before the mark. Sources are a port where nobody listens, but those that live: these answer,
 * with the Backup job on its schedule, and are fenced.
 */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionId, InstanceId } from '@holdfast/domain';
import { createLogger } from '@holdfast/service';
import type { InjuryTrial } from '@holdfast/service/injury';
import { type CheckpointHook, startRunner } from '@holdfast/service/runner';
import { openServer, statements } from '@holdfast/sqlserver';
import { observeJobs } from '@holdfast/sqlserver/jobs';
import { observeDatabases, observeMarkLog } from '@holdfast/sqlserver/observe';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { migrate, openStore, type Store } from '@holdfast/store';
import { saveAddress, saveYield } from '../src/estate/estate-store.ts';
import { executionCommands } from '../src/execution/execution-commands.ts';
import { cancelExecution, confirmStep, skipStep } from '../src/execution/operator-commands.ts';
import { executionRunner } from '../src/execution/execution-runner.ts';
import { findExecution } from '../src/execution/execution-store.ts';
import type { ExecutionView } from '../src/execution/execution.ts';
import { instances } from '../src/execution/instance-runner.ts';
import { startFailover } from '../src/failover/failover-commands.ts';
import type { RestoreTables } from '../src/tables.ts';
import { address, failoverInput, manager, onePlace, type Shape, silent } from './estate-of-two.ts';
import { commandDependencies, publishedEvents, restoreMigrations, saveEstate } from './open-store.ts';
import { makeHistoryOf } from './real-estate.ts';
import { backupFolder, open, send, startInstance } from './two-servers.ts';
import { nobody } from './whole-service.ts';

type World = {
  readonly folder: string;
  readonly executionId: ExecutionId;
  /** Of each standby instance, in the order of the shape's places. */
  readonly standbys: readonly Reached[];
  /** Source instances that live, in the order of `living`. */
  readonly sources: readonly Reached[];
};
type Reached = { readonly name: string; readonly port: number; readonly user: string; readonly password: string };

// The statement log is a stand-in's, and its files are copied: a real server has no part in this.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const clock = Date.now;
const nameOf = (place: number) => (place === 0 ? 'standby' : `standby${String(place + 1)}`);

export const { trial, removePrepared } = executionTrial(onePlace);

/** The trial of a failover of this shape, and what removes what it made in advance once nothing is to be prepared any more. */
export function executionTrial(
  shape: Shape,
  living: readonly number[] = [],
  /** Planned, and cancelled while shipping has not answered yet: everything at the source, there and back. */
  thereAndBack = false,
): {
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

    start: async ({ folder, executionId, standbys, sources }, { hook, fencingToken }) => {
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
            ...[...standbys, ...sources].flatMap(({ name, user, password }) => [
              [`${name}_USER`, user],
              [`${name}_PASSWORD`, password],
            ]),
          ]) as Record<string, string>,
          fencingToken: String(fencingToken),
          probeTimeoutMs: 2_000,
        }),
      });
      const others = thereAndBack ? changeMind(store, executionId) : answerClaims(store, executionId);
      const loop = startRunner(runner, {
        clock,
        logger: createLogger({ service: 'restore', level: 'silent' }),
        intervalMs: 20,
        backOffMs: { first: 5, longest: 50 },
        wakeOn: listener => store.afterCommit(listener),
        hook: onceSent(() => changesOf(namesOf(shape, living), folder), hook),
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
          await others.stop();
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
        sources: await sourcesEnd(shape, living, world),
        carriedOut: await carriedOut(namesOf(shape, living), world),
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
    template ??= makeTemplate(shape, living, thereAndBack);
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

async function makeTemplate(shape: Shape, living: readonly number[], planned: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-execution-template-'));
  const place = { folder, share: join(folder, 'share'), env };
  const start = (role: 'primary' | 'standby', name: (index: number) => string) =>
    Promise.all(shape.places.map((_, index) => startInstance(role, place, name(index))));
  const sources = await start('primary', sourceName);
  const standbys = await start('standby', nameOf);
  const known = await makeHistoryOf(shape, { sources, standbys, backup: backupFolder(env) });
  for (const place of living) await addBackupJob(sources[place]!);
  for (const server of [...sources, ...standbys]) await server.close();
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
    failoverInput({ declaredUnreachable, mode: planned ? 'PLANNED' : 'UNPLANNED' }),
    manager,
    dependencies,
  );
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

/** The people of a planned failover: they stop the hosts, do not wait for the files of the last set, and then think better of it. */
function changeMind(store: Store<RestoreTables>, executionId: ExecutionId) {
  const dependencies = commandDependencies(store);
  let acting: Promise<unknown> = Promise.resolve();
  const act = async () => {
    const { state, ending, steps } = await executionOf(store, executionId);
    const step = steps.find(({ work, state: at }) =>
      work.kind === 'CONFIRM'
        ? at === 'AWAITING_CONFIRMATION'
        : work.kind === 'AWAIT_POINT' && work.mark !== null && at === 'RUNNING',
    );
    if (state === 'DRAINING' && ending === null)
      await cancelExecution({ executionId, reason: 'not today' }, manager, dependencies);
    else if (step?.work.kind === 'CONFIRM')
      await confirmStep({ executionId, stepId: step.stepId }, manager, dependencies);
    else if (step !== undefined)
      await skipStep({ executionId, stepId: step.stepId, reason: 'no time' }, manager, dependencies);
  };
  const look = () => {
    acting = acting.then(act);
  };
  const stopListening = store.afterCommit(look);
  look();
  return {
    stop: async () => {
      stopListening();
      await acting;
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
      work: step.work.kind === 'AWAIT_POINT' ? { ...step.work, since: step.work.since !== null } : step.work,
      state: step.state,
      percent: step.progressPercent,
      ended: step.startedAt !== null && step.finishedAt !== null,
      // The last one, and none of a step that was given up: an injury may have left its own before.
      reasons: step.state === 'CANCELLED' ? [] : step.reasons.map(({ code }) => code).slice(-1),
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

const lastMark = 'BTS_2026_11_21_04_45_00_111';
const jobName = 'Backup BizTalk Server (BizTalkMgmtDb)';

/** On a schedule that does not come due here. */
async function addBackupJob(source: TestServer): Promise<void> {
  const server = await open(source);
  await send(server, `EXEC msdb.dbo.sp_add_job @job_name = N'${jobName}', @enabled = 1;`);
  await send(
    server,
    `EXEC msdb.dbo.sp_add_jobstep @job_name = N'${jobName}', @step_name = N'one', @command = N'SELECT 1;', @database_name = N'master';`,
  );
  // As a job that has worked before.
  await send(server, `EXEC msdb.dbo.sp_add_jobserver @job_name = N'${jobName}';`);
  await send(server, `EXEC msdb.dbo.sp_start_job @job_name = N'${jobName}';`);
  const hasRun = async () =>
    (await server.query(statements.jobHistory, { job: jobName, afterId: 0 })).some(({ stepId }) => stepId === 0);
  while (!(await hasRun())) await pause(5);
  const markNext = `BEGIN TRAN [${lastMark}] WITH MARK N''BTS''; INSERT BizTalkMgmtDb.dbo.MarkLog (MarkName) VALUES (N''${lastMark}''); COMMIT TRAN;`;
  await send(
    server,
    `EXEC msdb.dbo.sp_update_jobstep @job_name = N'${jobName}', @step_id = 1, @command = N'${markNext}';`,
  );
  await server.close();
}

/** What became of the sources that live: their databases of the group, and their job's switch. */
async function sourcesEnd(shape: Shape, living: readonly number[], { sources }: World) {
  const ends = [];
  for (const [index, { port, ...credentials }] of sources.entries()) {
    const server = await open({ ...nobody, address: { ...address.address, port }, credentials });
    const { databases: seen } = await observeDatabases(server);
    const { jobs } = await observeJobs(server);
    await server.close();
    const own = shape.databases.filter(({ place }) => place === living[index]);
    ends.push({
      states: own.map(({ name }) => [name, seen.find(database => database.name === name)?.state]),
      jobs: jobs.map(({ name, enabled }) => [name, enabled]),
    });
  }
  return ends;
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
function onceSent(changes: () => Promise<readonly Logged[]>, hook: CheckpointHook): CheckpointHook {
  const begun = async () => (await changes()).filter(({ outcome }) => outcome === 'started').length;
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

/** What the execution sent to change something, from the stand-ins' statement logs. */
async function changesOf(names: readonly string[], folder: string): Promise<readonly Logged[]> {
  const logs = names.map(name => readFile(join(folder, name, 'log', 'statements.jsonl'), 'utf8'));
  const lines = (await Promise.all(logs)).flatMap(log => log.split('\n').slice(0, -1));
  return lines
    .map(line => JSON.parse(line) as Logged)
    .filter(
      ({ program, text }) =>
        program.startsWith('holdfast-restore ') &&
        /^(RESTORE|ALTER DATABASE|EXEC msdb\.dbo\.sp_(update|start)_job)/.test(text),
    );
}

/** How often each statement was carried out, by its text; throws when one must not be repeated and was. */
async function carriedOut(names: readonly string[], { folder }: World): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  for (const { text, outcome } of await changesOf(names, folder))
    if (outcome === 'ok') counts[text] = (counts[text] ?? 0) + 1;
  for (const [text, count] of Object.entries(counts))
    if (count > 1 && /STOPATMARK|^RESTORE DATABASE .* FROM |sp_start_job/.test(text))
      throw new Error(`${String(count)} times ${text}`);
  return counts;
}
