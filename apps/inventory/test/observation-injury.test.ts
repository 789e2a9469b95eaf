import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removeTemplate, trial } from './observation-trial.ts';

afterAll(removeTemplate);

describeInjuries({
  title: 'the observation runners',
  module: new URL('./observation-trial.ts', import.meta.url),
  trial,
  mustPass: ['observation/look', 'instance/look', 'news/tell'].flatMap(step =>
    ['decided', 'acted', 'recorded'].map(place => `${step}/${place}`),
  ),
  sample: { abandon: 2, kill: 2 },
});
