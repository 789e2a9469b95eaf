/** Runs a schedule on an instance and in the model side by side, and shortens one that tells a difference. */
import { plan, sightOf } from './model.ts';
import { emptyWorld, type World } from './world.ts';
import { lineOf } from './statements.ts';
import type { Instance } from './instance.ts';
import type { Step } from './steps.ts';

export type Difference = {
  /** The steps that were done, the one that differs last. */
  readonly steps: readonly Step[];
  readonly expected: unknown;
  readonly found: unknown;
};

/** The first difference; undefined: there is none. Steps that the model cannot do any more, because others were left out, are left out too. */
export async function compare(steps: readonly Step[], instance: Instance): Promise<Difference | undefined> {
  let world: World = emptyWorld;
  const performed: Step[] = [];
  for (const step of steps) {
    const verdict = plan(world, step);
    if (typeof verdict === 'string') continue;
    performed.push(step);
    world = verdict.after;
    const expected = { errors: verdict.errors, infos: verdict.infos, sight: sightOf(world) };
    const found = await observed(step, instance, new Set(world.open?.places.keys()));
    if (!same(expected, found)) return { steps: performed, expected, found };
  }
  const [expected, found] = [[...world.marks].sort(), await instance.marks()];
  return same(expected, found) ? undefined : { steps: performed, expected, found };
}

async function observed(step: Step, instance: Instance, locked: ReadonlySet<string>): Promise<unknown> {
  try {
    return { ...(await instance.perform(step)), sight: await instance.sight(locked) };
  } catch (failure) {
    return { failure: failure instanceof Error ? (failure.stack ?? failure.message) : String(failure) };
  }
}

function same(one: unknown, two: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(two));
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}

/** Leaves out steps as long as a difference remains: halves first, single ones last, until none can go. `again` runs a shorter schedule afresh. */
export async function shorten(
  found: Difference,
  again: (steps: readonly Step[]) => Promise<Difference | undefined>,
): Promise<Difference> {
  let shortest = found;
  for (let size = Math.ceil(shortest.steps.length / 2); ;) {
    const before = shortest.steps.length;
    for (let at = 0; at < shortest.steps.length;) {
      const fewer = shortest.steps.filter((_, index) => index < at || index >= at + size);
      const still = await again(fewer);
      if (still !== undefined && still.steps.length < shortest.steps.length) shortest = still;
      else at += size;
    }
    if (size === 1 && shortest.steps.length === before) return shortest;
    size = Math.ceil(size / 2);
  }
}

export function report(seed: number, { steps, expected, found }: Difference): string {
  return [
    `STANDIN_SEED=${seed}: model and stand-in differ after`,
    ...steps.map(step => `  ${String(step.second).padStart(4)} s  ${lineOf(step)}`),
    `expected ${JSON.stringify(expected)}`,
    `found    ${JSON.stringify(found)}`,
  ].join('\n');
}
