import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removeTemplate, trial } from './source-watch-trial.ts';

afterAll(removeTemplate);

describeInjuries({
  title: 'the watch over sources',
  module: new URL('./source-watch-trial.ts', import.meta.url),
  trial,
  mustPass: ['decided', 'acted', 'recorded'].map(place => `source-watch/note_back/${place}`),
  sample: { abandon: 1, kill: 1 },
});
