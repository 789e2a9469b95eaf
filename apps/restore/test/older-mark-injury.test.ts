import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removePrepared, trial } from './older-mark-trial.ts';

afterAll(removePrepared);

// What a failover does otherwise is injured elsewhere; here it is the offer and what begins again from a full.
describeInjuries({
  title: 'the execution runner on its way to an older mark',
  module: new URL('./older-mark-trial.ts', import.meta.url),
  trial,
  mustPass: ['offer', 'rechoose'].flatMap(step =>
    ['decided', 'acted', 'recorded'].map(place => `execution/${step}/${place}`),
  ),
  sample: { abandon: 1, kill: 1, crash: 'twice' },
});
