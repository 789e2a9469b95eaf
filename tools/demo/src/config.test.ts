import { expect, it } from '@jest/globals';
import { readDemoConfig } from './config.ts';

const read = (...args: string[]) => readDemoConfig(args, () => 5);

it('has defaults', () => {
  expect(read()).toEqual({
    seed: 5,
    json: false,
    keep: false,
    restAtMark: false,
    scenario: undefined,
    cluster: false,
    store: 'sqlite',
  });
});

it('reads what is given and refuses what it does not know', () => {
  expect(read('--seed', '7', '--json', '--keep', '--scenario', 'control-plane-crash')).toEqual({
    seed: 7,
    json: true,
    keep: true,
    restAtMark: false,
    scenario: 'control-plane-crash',
    cluster: false,
    store: 'sqlite',
  });
  expect(read('--cluster', '--scenario', 'broken-set')).toMatchObject({ cluster: true, scenario: 'broken-set' });
  expect(read('--rest-at-mark')).toMatchObject({ restAtMark: true, scenario: undefined });
  expect(() => read('--rest-at-mark', '--scenario', 'planned')).toThrow('--rest-at-mark goes with no --scenario.');
  expect(read('--store', 'sqlserver')).toMatchObject({ store: 'sqlserver' });
  expect(() => read('--store', 'paper')).toThrow('--store is sqlite or sqlserver, not "paper".');
  expect(() => read('--seed', 'x')).toThrow('--seed is a whole number, not "x".');
  expect(() => read('--scenario', 'sunshine')).toThrow(
    'There is no scenario "sunshine". Those that exist: broken-set, control-plane-crash, lose-one, planned.',
  );
});
