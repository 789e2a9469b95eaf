/** Where a trial ended, free of what may differ between two runs. */
import { openServer } from '@holdfast/sqlserver';
import { observeJobs } from '@holdfast/sqlserver/jobs';
import { observeDatabases, observeMarkLog } from '@holdfast/sqlserver/observe';
import type { ExecutionView } from '../src/execution/execution.ts';
import type { Work } from '../src/execution/step.ts';
import { address, type Shape } from './estate-of-two.ts';
import type { publishedEvents } from './open-store.ts';
import { open } from './two-servers.ts';
import { nobody } from './whole-service.ts';

/** An instance that runs. */
export type Reached = {
  readonly name: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
};

/** `rerouted`: how far the databases had come when the plan changed differs from run to run, and with it what has to be restored. */
export function executionEnd(
  { state, chosen, dataLoss, passedPointOfNoReturn, sources, steps }: ExecutionView,
  rerouted: boolean,
) {
  return {
    state,
    chosen,
    atLeastSeconds: dataLoss?.atLeastSeconds,
    passedPointOfNoReturn,
    sources: sources.map(({ instanceName, outcome, by }) => ({ instanceName, outcome, by })),
    // Not how often a step was begun: that is what injuries change.
    steps: (rerouted ? steps.filter(({ work }) => work.kind !== 'RESTORE') : steps).map(step => ({
      work: timeless(step.work),
      state: step.state,
      percent: step.progressPercent,
      ended: step.startedAt !== null && step.finishedAt !== null,
      // The last one, and none of a step that was given up: an injury may have left its own before.
      reasons: step.state === 'CANCELLED' ? [] : step.reasons.map(({ code }) => code).slice(-1),
    })),
  };
}

function timeless(work: Work) {
  if (work.kind === 'AWAIT_POINT') return { ...work, since: work.since !== null };
  if (work.kind === 'RESOLVE_IN_DOUBT') return { ...work, units: work.units.map(({ since: _since, ...unit }) => unit) };
  return work;
}

export function eventsEnd(events: Awaited<ReturnType<typeof publishedEvents>>) {
  let version = 0;
  return events.map(({ type, data }) => {
    if (type !== 'execution.changed') return [type, data['outcome'] ?? null];
    const next = Number(data['version']);
    if (next <= version) throw new Error(`execution.changed ${String(next)} follows ${String(version)}.`);
    version = next;
    return [type, data['state'], data['markName'], data['passedPointOfNoReturn']];
  });
}

/** What became of the sources that live: their databases of the group, and their job's switch. */
export async function sourcesEnd(shape: Shape, living: readonly number[], sources: readonly Reached[]) {
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

export async function databasesEnd(shape: Shape, standbys: readonly Reached[], execution: ExecutionView) {
  const ends = [];
  for (const [place, { port, ...credentials }] of standbys.entries()) {
    const server = await openServer({
      address: { ...address.address, port },
      credentials,
      applicationName: 'restore-test',
      clock: Date.now,
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
