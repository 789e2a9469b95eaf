import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { trial } from './pause-trial.ts';
import { removeStreamTemplate } from './stream-trial.ts';

afterAll(removeStreamTemplate);

describeInjuries({
  title: 'a standby that is paused',
  module: new URL('./pause-trial.ts', import.meta.url),
  trial,
  mustPass: [
    'stream/pause/decided',
    'stream/pause/drained',
    'stream/pause/acted',
    'stream/pause/recorded',
    'stream/resume/decided',
    'stream/resume/acted',
    'stream/resume/recorded',
  ],
  sample: { abandon: 1, kill: 1 },
});
