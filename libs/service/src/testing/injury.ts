/**
 * The injury harness: it records the checkpoints of a clean run, then injures runs at every one of them and compares where they ended.
 * A step that is added to a runner is injured by being there.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Store } from '@holdfast/store';
import type { CheckpointHook } from '../runner.ts';
import { InProcess } from './incarnation.ts';
import { type Place, placesOf, type Progress } from './places.ts';

/**
 * crash: the process ends there at once and another one begins anew, both in this process. kill: the same by SIGKILL of a process of its
 * own. fail: an error is thrown there. repeat: the step is acted, or recorded, twice. abandon: the process freezes there, another one takes
 * over and ends the work, then the frozen one thaws.
 */
export const injuries = ['crash', 'kill', 'fail', 'repeat', 'abandon'] as const;
export type Injury = (typeof injuries)[number];

/** One process of the service under test. */
export type Incarnation = {
  readonly hook: CheckpointHook;
  /** Greater with every incarnation, as the leader lease would give it. */
  readonly fencingToken: number;
  /** What a trial works with in the place of its store: it ends with the incarnation. */
  readonly holds: <DB>(store: Store<DB>) => Store<DB>;
  /** For outside effects that are no store's and no server's: goes on only as long as the incarnation lives. */
  readonly alive: () => Promise<void>;
};

export type Running = {
  /** Once the work is done: by looking at what is stored, never by counting. */
  settled(signal: AbortSignal): Promise<void>;
  /** Once no step is under way in this incarnation (`RunnerLoop.idle`). */
  idle(): Promise<void>;
  /** What its runners complain about; shown when it does not settle. */
  failing(): readonly string[];
  stop(): Promise<void>;
};

/** The work that is injured. A module exports it as `trial`, so that a process of its own can run it too. */
export type InjuryTrial<World = unknown> = {
  /** Names of all whose checkpoints a clean run passes: runners, and `relay` where events are carried away. */
  readonly runners: readonly string[];
  /** New surroundings, described by what JSON can carry: folders, ports. Servers it starts belong to this process. */
  prepare(): Promise<World>;
  /** What the service does at its start, on what an earlier incarnation may have left. */
  start(world: World, incarnation: Incarnation): Promise<Running>;
  /** Where it ended, free of what may differ between two runs (ids, times). Throws on what must not be, whatever the injury. */
  endState(world: World): Promise<unknown>;
  remove(world: World): Promise<void>;
  /** What a subject is called in every world; left out: by the order in which they come. */
  nameOf?(world: World, of: { readonly runner: string; readonly subject: string }): Promise<string>;
  /** Where a step may take effect without having been recorded. Asked when it is decided. */
  progress?(
    world: World,
    of: { readonly runner: string; readonly subject: string; readonly step: string },
  ): Promise<Progress | undefined>;
};

/** Of one incarnation; what a machine under load needs is far below. */
export const settleMs = 60_000;

/** Every place that a clean run passes, in order, and where it ends. */
export async function recordCleanRun<World>(
  trial: InjuryTrial<World>,
): Promise<{ readonly places: readonly Place[]; readonly endState: unknown }> {
  return within(trial, async world => {
    const passed = new Map<string, Place>();
    const places = placesOf(trial, world);
    const hook: CheckpointHook = async (checkpoint, subject) => {
      const place = await places.passing(checkpoint, subject);
      passed.set(idOf(place), place);
    };
    await runToTheEnd(trial, world, { hook, fencingToken: 1 });
    return { places: [...passed.values()], endState: await trial.endState(world) };
  });
}

/** Whether an injury can be done there: only what was acted or recorded can be repeated, and a relay does not ask for it. */
export function applies(injury: Injury, { checkpoint }: Place): boolean {
  return injury !== 'repeat' || /\/(acted|recorded)$/.test(checkpoint);
}

export function idOf({ checkpoint, subject, passing }: Place): string {
  return JSON.stringify([checkpoint, subject, passing]);
}

/** Where two end states part, or undefined. */
export function difference(expected: unknown, actual: unknown): string | undefined {
  if (isDeepStrictEqual(expected, actual)) return undefined;
  return `expected ${JSON.stringify(expected)}\nfound    ${JSON.stringify(actual)}`;
}

/** In new surroundings, which are removed afterwards. */
export async function within<World, Result>(
  trial: InjuryTrial<World>,
  work: (world: World) => Promise<Result>,
): Promise<Result> {
  const world = await trial.prepare();
  try {
    return await work(world);
  } finally {
    await trial.remove(world);
  }
}

type Given = Pick<Incarnation, 'hook' | 'fencingToken'>;

export function startIn<World>(
  process: InProcess,
  trial: InjuryTrial<World>,
  world: World,
  given: Given,
): Promise<Running> {
  return process.run(() => trial.start(world, incarnationOf(process, given)));
}

/** One that nobody crashes. */
export function livingIncarnation(given: Given): Incarnation {
  return incarnationOf(new InProcess(), given);
}

function incarnationOf(process: InProcess, given: Given): Incarnation {
  return {
    ...given,
    holds: <DB>(store: Store<DB>) => process.holds(store),
    alive: () => process.alive(undefined),
  };
}

/** An incarnation that nothing happens to, or nothing that ends it. */
export async function runToTheEnd<World>(trial: InjuryTrial<World>, world: World, given: Given): Promise<void> {
  const running = await startIn(new InProcess(), trial, world, given);
  try {
    await settle(running);
  } finally {
    await running.stop();
  }
}

/** @throws Error when it does not settle, with what its runners complain about. */
export async function settle(running: Running): Promise<void> {
  const signal = AbortSignal.timeout(settleMs);
  try {
    await running.settled(signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    const failing = running.failing().join('; ');
    throw new Error(`not settled within ${String(settleMs)} ms; failing: ${failing || 'nothing'}`, { cause });
  }
}
