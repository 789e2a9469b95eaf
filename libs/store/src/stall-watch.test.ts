import { describe, expect, it } from '@jest/globals';
import { StallWatch } from './stall-watch.ts';

type Look = readonly [value: string, nowMs: number];

/** What the last of the looks answers. */
function stalledAfter(looks: readonly Look[]): number | undefined {
  const watch = new StallWatch(400);
  return looks.map(([value, nowMs]) => watch.look(value, nowMs)).at(-1);
}

describe('how long a value stood still', () => {
  it.each<[string, readonly Look[], number]>([
    ['nothing at the first look', [['a', 5_000]], 0],
    [
      'the time between looks',
      [
        ['a', 0],
        ['a', 200],
        ['a', 390],
      ],
      390,
    ],
    [
      'nothing once it changed',
      [
        ['a', 0],
        ['a', 200],
        ['b', 400],
      ],
      0,
    ],
    [
      'only what came after the change',
      [
        ['a', 0],
        ['b', 200],
        ['b', 300],
      ],
      100,
    ],
    [
      'no time in which the watcher itself stood still',
      [
        ['a', 0],
        ['a', 200],
        ['a', 90_000],
      ],
      600,
    ],
    [
      'nothing for a clock that goes back',
      [
        ['a', 500],
        ['a', 300],
        ['a', 350],
      ],
      50,
    ],
  ])('counts %s', (_what, looks, expected) => {
    expect(stalledAfter(looks)).toBe(expected);
  });
});
