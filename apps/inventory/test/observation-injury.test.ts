import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removeTemplate, trial } from './observation-trial.ts';

afterAll(removeTemplate);

describeInjuries({
  title: 'the observation runner',
  module: new URL('./observation-trial.ts', import.meta.url),
  trial,
  mustPass: ['decided', 'acted', 'recorded'].map(place => `observation/look/${place}`),
  sample: { repeat: 2, fail: 3, abandon: 3, kill: 3 },
});
