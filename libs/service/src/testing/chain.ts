/**
 * One world that goes through many places and is injured at each: a chain of incarnations for what ends a process, one long run for what
 * does not. Where it ends is compared once.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CheckpointHook } from '../runner.ts';
import { safeMessage } from '../safe-message.ts';
import { InProcess } from './incarnation.ts';
import {
  applies,
  idOf,
  type Injury,
  type InjuryTrial,
  runToTheEnd,
  settle,
  settleMs,
  startIn,
  within,
} from './injury.ts';
import { type Passed, type Place, placesOf } from './places.ts';

export type Injured = {
  /** Where it was injured, in order. */
  readonly hit: readonly Place[];
  /** Undefined when it did not come to its end: `problem` says why. */
  readonly endState?: unknown;
  readonly problem?: string;
};

/** What the process that is killed is given, and what it leaves. */
export type KilledRun = {
  readonly module: string;
  readonly world: unknown;
  readonly fencingToken: number;
  readonly wanted: readonly Place[];
  readonly passed: Passed | undefined;
};
export type Killed = { readonly place: Place; readonly passed: Passed };

const killedAt = fileURLToPath(new URL('./injured-process.ts', import.meta.url));

/**
 * Injures one world at each of these places, the first time that it comes there. Places that it does not come to are left out: a step that
 * took effect before the injury is not done again. `abandon` takes one place at a time.
 */
export async function injure<World>(
  trial: InjuryTrial<World>,
  module: URL,
  { injury, places }: { readonly injury: Injury; readonly places: readonly Place[] },
): Promise<Injured> {
  const course: Course<World> = {
    trial,
    module,
    wanted: new Map(places.filter(place => applies(injury, place)).map(place => [idOf(place), place])),
    hit: [],
    processes: [],
  };
  try {
    const endState = await within(trial, async world => {
      try {
        await waysOf[injury](course, world);
        return await trial.endState(world);
      } finally {
        for (const process of course.processes) process.bury();
      }
    });
    return { hit: course.hit, endState };
  } catch (error) {
    return { hit: course.hit, problem: safeMessage(error) };
  }
}

type Course<World> = {
  readonly trial: InjuryTrial<World>;
  readonly module: URL;
  /** Not yet hit. */
  readonly wanted: Map<string, Place>;
  readonly hit: Place[];
  /** Of all incarnations that were crashed. */
  readonly processes: InProcess[];
};

type Way = <World>(course: Course<World>, world: World) => Promise<void>;

const waysOf: Readonly<Record<Injury, Way>> = {
  crash,
  kill,
  fail: inOneRun('fail'),
  repeat: inOneRun('repeat'),
  abandon,
};

/** Notes that the place is hit now, when it is wanted. */
function hits<World>({ wanted, hit }: Course<World>, place: Place): boolean {
  if (!wanted.delete(idOf(place))) return false;
  hit.push(place);
  return true;
}

function inOneRun(injury: 'fail' | 'repeat'): Way {
  return async (course, world) => {
    const places = placesOf(course.trial, world);
    const hook: CheckpointHook = async (checkpoint, subject) => {
      const place = await places.passing(checkpoint, subject);
      if (!hits(course, place)) return;
      if (injury === 'repeat') return 'repeat';
      throw new Error(`injured: ${idOf(place)}`);
    };
    await runToTheEnd(course.trial, world, { hook, fencingToken: 1 });
  };
}

async function crash<World>(course: Course<World>, world: World): Promise<void> {
  let passed: Passed | undefined;
  for (let fencingToken = 1; ; fencingToken += 1) {
    const process = new InProcess();
    course.processes.push(process);
    const places = placesOf(course.trial, world, passed);
    const crashed = Promise.withResolvers<'crashed'>();
    const hook: CheckpointHook = async (checkpoint, subject) => {
      if (process.isDead()) return process.freeze();
      const place = await places.passing(checkpoint, subject);
      // Another subject may have crashed it meanwhile.
      if (process.isDead()) return process.freeze();
      if (!hits(course, place)) return;
      const killing = process.kill();
      passed = places.passed();
      crashed.resolve(killing.then(() => 'crashed' as const));
      return process.freeze();
    };
    const outcome = await Promise.race([
      crashed.promise,
      runOnce(process, course.trial, world, { hook, fencingToken }),
    ]);
    if (outcome === 'ended') return;
  }
}

async function runOnce<World>(
  process: InProcess,
  trial: InjuryTrial<World>,
  world: World,
  given: { readonly hook: CheckpointHook; readonly fencingToken: number },
): Promise<'ended'> {
  const running = await startIn(process, trial, world, given);
  try {
    await settle(running);
  } catch (error) {
    // Of one that was crashed meanwhile nobody asks whether it settled.
    if (process.isDead()) return await process.alive('ended');
    throw error;
  } finally {
    if (!process.isDead()) await running.stop();
  }
  return process.alive('ended');
}

async function abandon<World>(course: Course<World>, world: World): Promise<void> {
  const { trial } = course;
  const frozen = Promise.withResolvers<undefined>();
  const thawed = Promise.withResolvers<undefined>();
  const places = placesOf(trial, world);
  let isFrozen = false;
  const hook: CheckpointHook = async (checkpoint, subject) => {
    const place = await places.passing(checkpoint, subject);
    // All of a process freezes: who comes to a place meanwhile waits there too.
    if (!isFrozen && !hits(course, place)) return;
    isFrozen = true;
    frozen.resolve(undefined);
    await thawed.promise;
  };
  const first = await startIn(new InProcess(), trial, world, { hook, fencingToken: 1 });
  try {
    const missed = first.settled(AbortSignal.timeout(settleMs)).then(() => 'missed' as const);
    // Once the place is reached, how this one would have ended does not matter.
    missed.catch(() => undefined);
    if ((await Promise.race([frozen.promise, missed])) === 'missed') return;
    await runToTheEnd(trial, world, { hook: () => undefined, fencingToken: 2 });
    thawed.resolve(undefined);
    await first.idle();
  } finally {
    thawed.resolve(undefined);
    await first.stop();
  }
}

async function kill<World>(course: Course<World>, world: World): Promise<void> {
  let passed: Passed | undefined;
  let fencingToken = 1;
  while (course.wanted.size > 0) {
    const { module, wanted } = course;
    const killed = await killOnce({ module: module.href, world, fencingToken, wanted: [...wanted.values()], passed });
    if (killed === undefined) return;
    hits(course, killed.place);
    passed = killed.passed;
    fencingToken += 1;
  }
  await runToTheEnd(course.trial, world, { hook: () => undefined, fencingToken });
}

/** Undefined when it came to its end without passing any of the places. @throws Error when it ended otherwise. */
async function killOnce(run: KilledRun): Promise<Killed | undefined> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', killedAt], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  // Who ends before it has read has its reason in what it wrote.
  child.stdin.on('error', () => undefined).end(JSON.stringify(run));
  const deadline = setTimeout(() => child.kill('SIGTERM'), settleMs);
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>();
  child.once('error', reject);
  child.once('close', (code, signal) => resolve({ code, signal }));
  const { code, signal } = await promise.finally(() => clearTimeout(deadline));
  if (signal === 'SIGKILL' && output !== '') return JSON.parse(output) as Killed;
  if (code === 0) return undefined;
  throw new Error(`The process that is to be killed ended by itself (${signal ?? `exit ${String(code)}`}). ${errors}`);
}
