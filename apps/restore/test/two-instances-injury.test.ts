import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removePrepared, trial } from './two-instances-trial.ts';

afterAll(removePrepared);

// Every place is met by the trial over one instance; here it is those where databases move side by side, and what was left in doubt.
describeInjuries({
  title: 'the execution runner over two instances',
  module: new URL('./two-instances-trial.ts', import.meta.url),
  trial,
  mustPass: [
    ...['restore', 'recover'].flatMap(step =>
      ['looked', 'begun', 'sent', 'answered', 'noted'].map(place => `execution/${step}/${place}`),
    ),
    ...['looked', 'begun', 'sent', 'answered'].map(place => `execution/roll_back_units/${place}`),
  ],
  sample: { abandon: 1, kill: 2, crash: 'twice' },
});
