import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removeTemplate, trial } from './backup-set-trial.ts';

afterAll(removeTemplate);

describeInjuries({
  title: 'the backup-set runner',
  module: new URL('./backup-set-trial.ts', import.meta.url),
  trial,
  mustPass: ['look', 'examine'].flatMap(step =>
    ['decided', step === 'look' ? 'listed' : 'read', 'acted', 'recorded'].map(place => `set-runner/${step}/${place}`),
  ),
  sample: { abandon: 2, kill: 2 },
});
