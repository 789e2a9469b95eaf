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

/** careless: appends what it decided, without looking again. forgetful: remembers its position instead of reading it. */
export type Manner = 'right' | 'careless' | 'forgetful';

const goal = 3;

type World = { readonly folder: string };

export function countingTrial(manner: Manner): InjuryTrial<World> {
  const read = async ({ folder }: World) => (await readFile(join(folder, 'list'), 'utf8')).split('\n').slice(0, -1);
  return {
    prepare: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'injury-'));
      await appendFile(join(folder, 'list'), '');
      return { folder };
    },
    start: async (world, { hook }) => {
      let remembered = 0;
      const runner: RunnerDefinition<string, number, number, number> = {
        name: 'count',
        subjects: async () => ['list'],
        key: subject => subject,
        observe: async () => (manner === 'forgetful' ? remembered : (await read(world)).length),
        decide: length => (length < goal ? length + 1 : undefined),
        step: () => 'append',
        act: async (next, step) => {
          await step.checkpoint('sending');
          if (manner !== 'right' || (await read(world)).length < next)
            await appendFile(join(world.folder, 'list'), `${String(next)}\n`);
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
          while ((await read(world)).length < goal || loop.failing().size > 0) {
            signal.throwIfAborted();
            await new Promise(resolve => setImmediate(resolve));
          }
          await loop.idle();
        },
        idle: () => loop.idle(),
        failing: () => [...loop.failing().values()],
        stop: () => loop.stop(),
      };
    },
    endState: read,
    remove: ({ folder }) => rm(folder, { recursive: true }),
  };
}

export const trial = countingTrial('right');
