import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removeStreamTemplate } from './stream-world.ts';
import { trial } from './yield-trial.ts';

afterAll(removeStreamTemplate);

describeInjuries({
  title: 'a standby that is claimed',
  module: new URL('./yield-trial.ts', import.meta.url),
  trial,
  mustPass: ['stream/yield/decided', 'stream/yield/drained', 'stream/yield/acted', 'stream/yield/recorded'],
  sample: { abandon: 1, kill: 1, crash: 'twice' },
});
