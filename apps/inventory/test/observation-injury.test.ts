import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removeTemplate, trial } from './observation-trial.ts';

afterAll(removeTemplate);

describeInjuries({
  title: 'the observation runners',
  module: new URL('./observation-trial.ts', import.meta.url),
  trial,
  mustPass: ['observation', 'instance'].flatMap(runner =>
    ['decided', 'acted', 'recorded'].map(place => `${runner}/look/${place}`),
  ),
  sample: { repeat: 3, fail: 4, abandon: 4, kill: 3 },
});
