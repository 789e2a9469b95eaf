import type { CheckpointHook } from '@holdfast/service/runner';

/**
 * For tests only: halts one step of a runner for good, so that the process can be killed exactly there. Everything else goes on.
 * `setting`: `runner/step/place`, or `runner/step/place:2` for the second passing; several with commas between. `tell` is called with one
 * of them when a step stands there. @throws Error when the setting names no place.
 */
export function holdAt(setting: string, tell: (place: string) => void): CheckpointHook {
  const places = setting.split(',').map(parsePlace);
  const passed = new Map<string, number>();
  return name => {
    const passing = (passed.get(name) ?? 0) + 1;
    passed.set(name, passing);
    const place = places.find(each => each.checkpoint === name && each.passing === passing);
    if (place === undefined) return undefined;
    tell(place.text);
    return new Promise(() => undefined);
  };
}

function parsePlace(text: string): { readonly text: string; readonly checkpoint: string; readonly passing: number } {
  const [, checkpoint, passing = '1'] = /^([\w-]+\/[\w-]+\/[\w-]+)(?::([1-9]\d{0,3}))?$/.exec(text) ?? [];
  if (checkpoint === undefined)
    throw new Error(`HOLDFAST_TEST_HOLD_AT names places as runner/step/place or runner/step/place:2, not "${text}".`);
  return { text, checkpoint, passing: Number(passing) };
}
