import { writeSync } from 'node:fs';
import type { CheckpointHook } from './runner.ts';

/**
 * For tests only: halts one step of a runner, so that the process can be killed or frozen exactly there. Everything else goes on.
 * `setting`: `runner/step/place`, or `runner/step/place:2` for the second passing; several with commas between. `place@other`: its first
 * passing once a step stands at that other one of them, where to stand there sooner would keep the other from being reached at all. `tell` is
 * called with one of them when a step stands there. The step goes on when `released` settles: never, when left out. @throws Error when the
 * setting names no place.
 */
export function holdAt(
  setting: string,
  tell: (place: string) => void,
  released: Promise<undefined> = new Promise(() => undefined),
): CheckpointHook {
  const places = setting.split(',').map(parsePlace);
  for (const { text, after } of places)
    if (after !== undefined && !places.some(other => other.text === after))
      throw new Error(`HOLDFAST_TEST_HOLD_AT names "${text}", but no place "${after}" beside it.`);
  const passed = new Map<string, number>();
  const standing = new Set<string>();
  return name => {
    const passing = (passed.get(name) ?? 0) + 1;
    passed.set(name, passing);
    const isNow = (place: Place): boolean =>
      place.after === undefined ? place.passing === passing : standing.has(place.after) && !standing.has(place.text);
    const place = places.find(each => each.checkpoint === name && isNow(each));
    if (place === undefined) return undefined;
    standing.add(place.text);
    tell(place.text);
    return released;
  };
}

/**
 * What `HOLDFAST_TEST_HOLD_AT` asks for; each step that stands there is told on standard error, as `{"heldAt": place}`. SIGUSR2 lets them
 * all go on: what a process does that was frozen there and wakes up.
 */
export function holdsIn(env: Readonly<Record<string, string | undefined>>): CheckpointHook | undefined {
  const setting = env['HOLDFAST_TEST_HOLD_AT'];
  if (setting === undefined) return undefined;
  const { promise: released, resolve } = Promise.withResolvers<undefined>();
  process.once('SIGUSR2', () => resolve(undefined));
  return holdAt(setting, place => writeSync(2, `${JSON.stringify({ heldAt: place })}\n`), released);
}

type Place = {
  readonly text: string;
  readonly checkpoint: string;
  readonly passing: number;
  /** Another place; undefined: `passing` alone decides. */
  readonly after: string | undefined;
};

function parsePlace(text: string): Place {
  const [, checkpoint, passing = '1', after] =
    /^([\w-]+\/[\w-]+\/[\w-]+)(?::([1-9]\d{0,3})|@([\w/:-]+))?$/.exec(text) ?? [];
  if (checkpoint === undefined)
    throw new Error(
      `HOLDFAST_TEST_HOLD_AT names places as runner/step/place, runner/step/place:2 or place@other, not "${text}".`,
    );
  return { text, checkpoint, passing: Number(passing), after };
}
