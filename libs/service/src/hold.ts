import { writeSync } from 'node:fs';
import type { CheckpointHook } from './runner.ts';

/**
 * For tests only: halts one step of a runner, so that the process can be killed or frozen exactly there. Everything else goes on.
 * `setting`: `runner/step/place`, or `runner/step/place:2` for the second passing; several with commas between. `tell` is called with one
 * of them when a step stands there. The step goes on when `released` settles: never, when left out. @throws Error when the setting names no place.
 */
export function holdAt(
  setting: string,
  tell: (place: string) => void,
  released: Promise<undefined> = new Promise(() => undefined),
): CheckpointHook {
  const places = setting.split(',').map(parsePlace);
  const passed = new Map<string, number>();
  return name => {
    const passing = (passed.get(name) ?? 0) + 1;
    passed.set(name, passing);
    const place = places.find(each => each.checkpoint === name && each.passing === passing);
    if (place === undefined) return undefined;
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

function parsePlace(text: string): { readonly text: string; readonly checkpoint: string; readonly passing: number } {
  const [, checkpoint, passing = '1'] = /^([\w-]+\/[\w-]+\/[\w-]+)(?::([1-9]\d{0,3}))?$/.exec(text) ?? [];
  if (checkpoint === undefined)
    throw new Error(`HOLDFAST_TEST_HOLD_AT names places as runner/step/place or runner/step/place:2, not "${text}".`);
  return { text, checkpoint, passing: Number(passing) };
}
