/**
 * The injury harness: it records the checkpoints of a clean run, then injures a run at one of them and compares where both ended.
 * A step that is added to a runner is injured by being there.
 */
import { spawn } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { CheckpointHook } from '../runner.ts';

/**
 * repeat: the step is acted, or recorded, twice. fail: an error is thrown there. abandon: the process freezes there, another one takes over
 * and ends the work, then the frozen one thaws. kill: a process of its own ends there by SIGKILL, and another one begins anew.
 */
export type Injury = 'repeat' | 'fail' | 'abandon' | 'kill';

/** The nth passing, from 1, of a checkpoint. */
export type Place = { readonly checkpoint: string; readonly passing: number };

/** One process of the service under test. */
export type Incarnation = {
  readonly hook: CheckpointHook;
  /** Greater with every incarnation, as the leader lease would give it. */
  readonly fencingToken: number;
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
  /** New surroundings, described by what JSON can carry: folders, ports. Servers it starts belong to this process. */
  prepare(): Promise<World>;
  /** What the service does at its start, on what an earlier incarnation may have left. */
  start(world: World, incarnation: Incarnation): Promise<Running>;
  /** Where it ended, free of what may differ between two runs (ids, times). Throws on what must not be, whatever the injury. */
  endState(world: World): Promise<unknown>;
  remove(world: World): Promise<void>;
};

const settleMs = 60_000;
const killedAt = fileURLToPath(new URL('./injured-process.ts', import.meta.url));

/** Every checkpoint that a clean run passes, in order, and where it ends. */
export async function recordCleanRun<World>(
  trial: InjuryTrial<World>,
): Promise<{ readonly places: readonly Place[]; readonly endState: unknown }> {
  const places: Place[] = [];
  const passings = new Map<string, number>();
  const hook: CheckpointHook = checkpoint => {
    const passing = (passings.get(checkpoint) ?? 0) + 1;
    passings.set(checkpoint, passing);
    places.push({ checkpoint, passing });
  };
  return within(trial, async world => {
    await run(trial, world, { hook, fencingToken: 1 }, 'clean run');
    return { places, endState: await trial.endState(world) };
  });
}

/** Runs the work in fresh surroundings with one injury. @throws Error when the run never came to the place, or did not settle. */
export async function injure<World>(
  trial: InjuryTrial<World>,
  module: URL,
  { injury, place }: { readonly injury: Injury; readonly place: Place },
): Promise<unknown> {
  const title = `${injury} at ${renderPlace(place)}`;
  return within(trial, async world => {
    switch (injury) {
      case 'repeat':
      case 'fail': {
        const { hook, reached } = hookAt(place, () => {
          if (injury === 'repeat') return 'repeat';
          throw new Error(`injured: ${title}`);
        });
        await run(trial, world, { hook, fencingToken: 1 }, title);
        if (!reached()) throw new Error(`${title}: the run never came there.`);
        break;
      }
      case 'abandon':
        await abandon(trial, world, place, title);
        break;
      case 'kill':
        await kill(module, world, place, title);
        await run(trial, world, { hook: () => undefined, fencingToken: 2 }, title);
        break;
    }
    return trial.endState(world);
  });
}

/** Whether an injury can be done there: only what was acted or recorded can be repeated. */
export function applies(injury: Injury, { checkpoint }: Place): boolean {
  return injury !== 'repeat' || /\/(acted|recorded)$/.test(checkpoint);
}

export function renderPlace({ checkpoint, passing }: Place): string {
  return passing === 1 ? checkpoint : `${checkpoint} (passing ${String(passing)})`;
}

/** Where two end states part, or undefined. */
export function difference(expected: unknown, actual: unknown): string | undefined {
  if (isDeepStrictEqual(expected, actual)) return undefined;
  return `expected ${JSON.stringify(expected)}\nfound    ${JSON.stringify(actual)}`;
}

async function within<World, Result>(
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

async function run<World>(
  trial: InjuryTrial<World>,
  world: World,
  incarnation: Incarnation,
  title: string,
): Promise<void> {
  const running = await trial.start(world, incarnation);
  try {
    await settle(running, title);
  } finally {
    await running.stop();
  }
}

async function settle(running: Running, title: string): Promise<void> {
  const signal = AbortSignal.timeout(settleMs);
  try {
    await running.settled(signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    const failing = running.failing().join('; ');
    throw new Error(`${title}: not settled within ${String(settleMs)} ms; failing: ${failing || 'nothing'}`, { cause });
  }
}

async function abandon<World>(trial: InjuryTrial<World>, world: World, place: Place, title: string): Promise<void> {
  const frozen = Promise.withResolvers<undefined>();
  const thawed = Promise.withResolvers<undefined>();
  const { hook } = hookAt(place, async () => {
    frozen.resolve(undefined);
    await thawed.promise;
  });
  const first = await trial.start(world, { hook, fencingToken: 1 });
  try {
    const missed = first.settled(AbortSignal.timeout(settleMs)).then(() => {
      throw new Error(`${title}: the run ended without coming there.`);
    });
    // Once the place is reached, how this one would have ended does not matter.
    missed.catch(() => undefined);
    await Promise.race([frozen.promise, missed]);
    await run(trial, world, { hook: () => undefined, fencingToken: 2 }, title);
    thawed.resolve(undefined);
    await first.idle();
  } finally {
    thawed.resolve(undefined);
    await first.stop();
  }
}

async function kill(module: URL, world: unknown, place: Place, title: string): Promise<void> {
  const given = JSON.stringify({ module: module.href, world, place });
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', killedAt, given], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const deadline = setTimeout(() => child.kill('SIGTERM'), settleMs);
  const { promise, resolve, reject } = Promise.withResolvers<NodeJS.Signals | null>();
  child.once('error', reject);
  child.once('close', (_code, signal) => resolve(signal));
  const signal = await promise.finally(() => clearTimeout(deadline));
  if (signal !== 'SIGKILL')
    throw new Error(`${title}: the process ended by itself (${signal ?? 'exit'}) before it came there. ${errors}`);
}

/** A hook that does something at one passing of one checkpoint, and nothing anywhere else. */
export function hookAt(
  place: Place,
  there: () => ReturnType<CheckpointHook>,
): { readonly hook: CheckpointHook; readonly reached: () => boolean } {
  let passed = 0;
  const hook: CheckpointHook = checkpoint => {
    if (checkpoint !== place.checkpoint) return;
    passed += 1;
    return passed === place.passing ? there() : undefined;
  };
  return { hook, reached: () => passed >= place.passing };
}
