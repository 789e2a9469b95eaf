import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { trial } from './stream-trial.ts';
import { removeStreamTemplate } from './stream-world.ts';

afterAll(removeStreamTemplate);

describeInjuries({
  title: 'the stream runner',
  module: new URL('./stream-trial.ts', import.meta.url),
  trial,
  mustPass: [
    'stream/note/acted',
    'stream/restore_full/sending',
    'stream/restore_full/sent',
    'stream/restore_full/answered',
    'stream/restore_log/sending',
    'stream/restore_log/sent',
    'stream/restore_log/answered',
    'stream/reseed/sending',
    'stream/reseed/sent',
    'stream/reseed/answered',
  ],
  sample: { abandon: 2, kill: 2 },
});
