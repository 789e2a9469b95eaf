/** One statement, killed at one place: how the places are found, how a run is cut short there, and what is seen afterwards. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EndedAtStart, startInstance, type Instance } from './instance.ts';
import { changes, observe, timeless, type Facts } from './observation.ts';
import { copyOf, removeWorld } from './template.ts';
import { causeOf } from './failure.ts';

/** `statement` over the wire, after `prepare`; or the start of the instance, or its orderly stop, as what is killed. */
export type Act = { readonly prepare?: string; readonly statement: string } | 'start' | 'stop';

/** The nth passing of a place since the process started. */
export type Place = { readonly name: string; readonly passing: number };

export type CleanRun = {
  /** Every place that the act passes, in order. */
  readonly places: readonly Place[];
  readonly before: Facts;
  readonly done: Facts;
  /** The whole act, in the words of `changes`. */
  readonly changed: string;
};

/** What an instance that died there looks like after its restart. `complaints`: what must never be. */
export type Aftermath = {
  readonly instance: Instance;
  readonly world: string;
  readonly changed: string;
  readonly complaints: readonly string[];
};

export async function cleanRun(template: string, act: Act): Promise<CleanRun> {
  const world = copyOf(template);
  try {
    const placesFile = join(world, 'places');
    const instance = await startInstance(world, { placesFile });
    await prepare(instance, act);
    const { facts: before } = await observe(instance, world);
    if (act === 'start') {
      await instance.kill();
      return { places: passedIn(placesFile), before, done: before, changed: '' };
    }
    const first = passedIn(placesFile).length;
    if (act === 'stop') {
      await instance.stop();
      return { places: passedIn(placesFile).slice(first), before, done: before, changed: '' };
    }
    await instance.run(act.statement);
    const places = passedIn(placesFile).slice(first);
    const { facts: done } = await observe(instance, world);
    await instance.kill();
    return { places, before, done, changed: changes(done, before, done) };
  } finally {
    removeWorld(world);
  }
}

async function prepare(instance: Instance, act: Act): Promise<void> {
  if (typeof act === 'object' && act.prepare !== undefined) await instance.run(act.prepare);
}

function passedIn(file: string): readonly Place[] {
  const passings = new Map<string, number>();
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(passed => {
      const name = timeless(passed);
      const passing = (passings.get(name) ?? 0) + 1;
      passings.set(name, passing);
      return { name, passing };
    });
}

/**
 * Runs the act in a copy of the template, ends the process by SIGKILL at `place` ('answered': once the client has its answer), starts it again and
 * hands over what is found. @throws Error when the run never came there.
 */
export async function killAt<Result>(
  template: string,
  act: Act,
  place: Place | 'answered',
  clean: CleanRun,
  look: (aftermath: Aftermath) => Promise<Result>,
): Promise<Result> {
  const world = copyOf(template);
  try {
    await dieIn(world, act, place);
    const instance = await startInstance(world);
    try {
      const { facts, complaints } = await observe(instance, world);
      return await look({ instance, world, changed: changes(facts, clean.before, clean.done), complaints });
    } finally {
      await instance.kill();
    }
  } finally {
    removeWorld(world);
  }
}

async function dieIn(world: string, act: Act, place: Place | 'answered'): Promise<void> {
  const plan = place === 'answered' ? {} : { dieAt: `${place.name.replace('BTS', 'BTS*')}:${place.passing}` };
  let victim: Instance;
  try {
    victim = await startInstance(world, plan);
  } catch (failure) {
    if (act === 'start' && failure instanceof EndedAtStart && failure.signal === 'SIGKILL') return;
    throw failure;
  }
  try {
    await prepare(victim, act);
    if (place === 'answered') {
      if (typeof act === 'object') await victim.run(act.statement);
      return;
    }
    if (act === 'stop' && (await victim.stop()) === null) return;
    if (typeof act === 'object' && (await lostWithin(victim, act.statement))) return;
    throw new Error(`the run never came to ${place.name}, passing ${place.passing}`);
  } finally {
    await victim.kill();
  }
}

/** True when the connection broke before the answer. A refusal is a failure of the trial itself. */
async function lostWithin(victim: Instance, statement: string): Promise<boolean> {
  try {
    await victim.run(statement);
    return false;
  } catch (failure) {
    if (Number.isNaN(causeOf(failure))) return true;
    throw failure;
  }
}

/** A copy in which `statement` was begun and died at a place. */
export async function woundedCopy(
  template: string,
  { statement, dieAt }: { readonly statement: string; readonly dieAt: string },
): Promise<string> {
  const world = copyOf(template);
  const victim = await startInstance(world, { dieAt });
  if (!(await lostWithin(victim, statement))) throw new Error(`the run never came to ${dieAt}`);
  await victim.kill();
  return world;
}
