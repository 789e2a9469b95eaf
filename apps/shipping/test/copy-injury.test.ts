import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { closeShared, trial } from './copy-trial.ts';

afterAll(closeShared);

describeInjuries({
  title: 'the copy runner',
  module: new URL('./copy-trial.ts', import.meta.url),
  trial,
  mustPass: [
    'copy/copy/started',
    'copy/copy/flushed',
    'copy/copy/hashed',
    'copy/copy/acted',
    'copy/verify/acted',
    'copy/verify/recorded',
  ],
  sample: { abandon: 2, kill: 1 },
});
