import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { trial } from './rest-trial.ts';
import { removeStreamTemplate } from './stream-world.ts';

afterAll(removeStreamTemplate);

describeInjuries({
  title: 'the stream runner of a standby that rests at its mark',
  module: new URL('./rest-trial.ts', import.meta.url),
  trial,
  mustPass: [
    'stream/restore_log/answered',
    'stream/restore_log_to_mark/sending',
    'stream/restore_log_to_mark/sent',
    'stream/restore_log_to_mark/answered',
    'stream/restore_log_to_mark/acted',
  ],
  sample: { abandon: 1, kill: 1, crash: 'twice' },
});
