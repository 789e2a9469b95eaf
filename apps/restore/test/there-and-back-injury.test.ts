import { afterAll } from '@jest/globals';
import { describeInjuries } from '@holdfast/service/injury';
import { removePrepared, trial } from './there-and-back-trial.ts';

afterAll(removePrepared);

const every = ['decided', 'acted', 'recorded'];
const statement = ['decided', 'looked', 'begun', 'sent', 'answered', 'acted', 'recorded'];

describeInjuries({
  title: 'the execution runner at a source, there and back',
  module: new URL('./there-and-back-trial.ts', import.meta.url),
  trial,
  mustPass: Object.entries({
    plan_fence: every,
    fence: [...statement, 'noted'],
    note_fenced: every,
    note_found: every,
    note_waiting: every,
    start_last_run: statement,
    note_last_run: every,
    account: every,
    claim: every,
    unfence: [...statement, 'noted'],
    end: every,
  }).flatMap(([step, places]) => places.map(place => `execution/${step}/${place}`)),
  sample: { abandon: 1, kill: 1, crash: 'twice' },
});
