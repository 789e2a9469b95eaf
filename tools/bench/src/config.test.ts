import { expect, it } from '@jest/globals';
import { readBenchConfig } from './config.ts';

const known = ['events', 'copy', 'start'];

it('measures everything, or what was named, in the order of the list', () => {
  expect(readBenchConfig([], known)).toEqual({ names: known, json: false, quick: false, rounds: undefined });
  expect(readBenchConfig(['start', 'events', '--json', '--rounds', '3', '--quick'], known)).toEqual({
    names: ['events', 'start'],
    json: true,
    quick: true,
    rounds: 3,
  });
});

it.each([
  [['speed'], 'There is no measurement "speed". Those that exist: events, copy, start.'],
  [['--rounds', '0'], '--rounds is a whole number from 1 to 999, not "0".'],
  [['--rounds', 'x'], '--rounds is a whole number'],
  [['--fast'], "Unknown option '--fast'"],
])('refuses %j', (args, message) => {
  expect(() => readBenchConfig(args, known)).toThrow(message);
});
