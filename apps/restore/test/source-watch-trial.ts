/**
 * Two sources of a failover that is over, for the injury harness: first the one that was declared gone answers again, then the databases of
 * the one that was fenced are on again. Both are in memory, or rather in files that say that they are back.
 */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ExecutionId, InstanceId } from '@holdfast/domain';
import { executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import { createLogger } from '@holdfast/service';
import { startRunner } from '@holdfast/service/runner';
import { carriedOnce, carryEvents, type InjuryTrial } from '@holdfast/service/trial';
import { openStore, type Store } from '@holdfast/store';
import { executionCommands } from '../src/execution/execution-commands.ts';
import { sourceWatchRunner } from '../src/execution/source-watch-runner.ts';
import type { RestoreTables } from '../src/tables.ts';
import { openHalfGone } from './half-gone.ts';
import { commandDependencies, publishedEvents } from './open-store.ts';
import { eventsEnd } from './trial-end.ts';
import { executionOf } from './trial-people.ts';

type World = { readonly folder: string; readonly executionId: ExecutionId };

let template: Promise<World> | undefined;

export const trial: InjuryTrial<World> = {
  runners: ['source-watch', 'relay'],

  prepare: async () => {
    template ??= makeTemplate();
    const { folder: made, executionId } = await template;
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-watch-'));
    await cp(made, folder, { recursive: true });
    return { folder, executionId };
  },

  start: async (world, { hook, fencingToken, holds }) => {
    const { folder, executionId } = world;
    const store = holds(openWorldStore(world));
    const isBack = (instanceId: InstanceId) => existsSync(backFile(world, instanceId));
    const publishes = [executionChanged, standbyClaimed, standbyReleased];
    const relay = await carryEvents({ store, service: 'restore', publishes, folder, hook });
    const runner = sourceWatchRunner({
      store,
      commands: executionCommands({ ...commandDependencies(store), fencingToken }),
      instances: {
        probe: async instanceId => ({ answer: isBack(instanceId) ? 'ANSWERS' : 'SILENT', evidence: 'a file' }),
        source: async ({ instanceId, databases }) => ({
          states: new Map(databases.map(({ databaseId }) => [databaseId, isBack(instanceId) ? 'ONLINE' : 'OFFLINE'])),
          job: null,
          more: null,
        }),
      },
      clock: Date.now,
      everyMs: 5,
    });
    const loop = startRunner(runner, {
      clock: Date.now,
      logger: createLogger({ service: 'restore', level: 'silent' }),
      intervalMs: 5,
      backOffMs: { first: 1, longest: 5 },
      wakeOn: listener => store.afterCommit(listener),
      hook,
    });
    return {
      settled: async signal => {
        // The next one comes back when the one before was seen to be back.
        for (;;) {
          const { sources } = await executionOf(store, executionId);
          const next = sources.find(({ cameBackAt }) => cameBackAt === null);
          if (next === undefined) break;
          signal.throwIfAborted();
          await writeFile(backFile(world, next.instanceId), '');
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
        await store.close();
      },
    };
  },

  endState: async world => {
    const store = openWorldStore(world);
    try {
      await carriedOnce(store, world.folder);
      const { state, sources } = await executionOf(store, world.executionId);
      return {
        state,
        sources: sources.map(({ instanceName, outcome, cameBackAt }) => [instanceName, outcome, cameBackAt !== null]),
        events: eventsEnd(await publishedEvents(store)),
      };
    } finally {
      await store.close();
    }
  },

  remove: ({ folder }) => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
};

/** What `prepare` copies from, once nothing is to be prepared any more. */
export async function removeTemplate(): Promise<void> {
  const made = await template;
  template = undefined;
  if (made !== undefined) await rm(made.folder, { recursive: true, force: true, maxRetries: 5 });
}

async function makeTemplate(): Promise<World> {
  const { run, id, store, location, remove } = await openHalfGone();
  await run();
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-watch-template-'));
  // Closed, so that its file is whole.
  await store.close();
  if (!('file' in location)) throw new Error('The template is a file.');
  await cp(location.file, storeFile(folder));
  await remove();
  return { folder, executionId: id };
}

const backFile = ({ folder }: World, instanceId: InstanceId) => join(folder, `back-${instanceId}`);

const storeFile = (folder: string) => join(folder, 'restore.db');

function openWorldStore({ folder }: World): Store<RestoreTables> {
  return openStore<RestoreTables>({ file: storeFile(folder) });
}
