import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removePrepared, trial } from './execution-trial.ts';

afterAll(removePrepared);

const every = ['decided', 'acted', 'recorded'];
const statement = ['decided', 'looked', 'begun', 'sent', 'answered', 'noted', 'acted', 'recorded'];
const question = ['decided', 'begun', 'acted', 'recorded'];

describeInjuries({
  title: 'the execution runner',
  module: new URL('./execution-trial.ts', import.meta.url),
  trial,
  mustPass: Object.entries({
    observe: ['read'],
    begin_fencing: every,
    probe: question,
    claim: every,
    take_over: every,
    choose: question,
    restore: statement,
    arrive: every,
    check: question,
    begin_recovery: every,
    recover: statement,
    begin_verification: every,
    verify: ['decided', 'begun', 'noted', 'acted', 'recorded'],
    begin_references: every,
    complete: every,
  }).flatMap(([step, places]) => places.map(place => `execution/${step}/${place}`)),
  sample: { abandon: 2, kill: 2 },
});
