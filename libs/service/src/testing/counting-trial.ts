/**
 * A small piece of work for the harness's own tests: entries are appended to a list up to a goal, in a file, each under a number. Every
 * way of doing it wrong that the harness must notice can be chosen.
 */
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../logger.ts';
import { type RunnerDefinition, startRunner } from '../runner.ts';
import type { InjuryTrial } from './injury.ts';

/**
 * careless: appends what it decided, without looking again. forgetful: remembers its position instead of reading it. hasty: notes an entry
 * as made before it is, and believes the note.
 */
export type Manner = 'right' | 'careless' | 'forgetful' | 'hasty';

const goal = 3;

type World = { readonly folder: string };

export function countingTrial(manner: Manner): InjuryTrial<World> {
  const read = async ({ folder }: World, name = 'list') =>
    (await readFile(join(folder, name), 'utf8')).split('\n').slice(0, -1);
  const add = ({ folder }: World, entry: number, name = 'list') => appendFile(join(folder, name), `${String(entry)}\n`);
  const lengthOf = async (world: World) => (await read(world, manner === 'hasty' ? 'notes' : 'list')).length;
  return {
    runners: ['count'],
    prepare: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'injury-'));
      for (const name of ['list', 'notes']) await appendFile(join(folder, name), '');
      return { folder };
    },
    start: async (world, { hook, alive }) => {
      let remembered = 0;
      const runner: RunnerDefinition<string, number, number, number> = {
        name: 'count',
        subjects: () => alive().then(() => ['list']),
        key: subject => subject,
        observe: async () => (manner === 'forgetful' ? remembered : await lengthOf(world)),
        decide: length => (length < goal ? length + 1 : undefined),
        step: () => 'append',
        act: async (next, step) => {
          if (manner === 'hasty') await add(world, next, 'notes');
          await step.checkpoint('sending');
          if (['careless', 'forgetful'].includes(manner) || (await read(world)).length < next) await add(world, next);
          await step.checkpoint('sent');
          return next;
        },
        record: async next => {
          remembered = next;
        },
      };
      const logger = createLogger({ service: 'test', level: 'silent' });
      const backOffMs = { first: 1, longest: 5 };
      const loop = startRunner(runner, { clock: Date.now, logger, intervalMs: 5, backOffMs, hook });
      return {
        settled: async signal => {
          while ((await lengthOf(world)) < goal || loop.failing().size > 0) {
            signal.throwIfAborted();
            await alive();
            await new Promise(resolve => setImmediate(resolve));
          }
          await loop.idle();
        },
        idle: () => loop.idle(),
        failing: () => [...loop.failing().values()],
        stop: () => loop.stop(),
      };
    },
    endState: world => read(world),
    remove: ({ folder }) => rm(folder, { recursive: true }),
    // What is on the list took effect, noted or not.
    progress: async world => ({ steps: (await read(world)).length }),
  };
}

export const trial = countingTrial('right');
