import { expect, it } from '@jest/globals';
import { createLogger } from '@holdfast/service';
import { runnersOf } from '@holdfast/service/injury';
import { createRestore, restoreSchema } from '../src/service.ts';
import { trial as execution } from './execution-trial.ts';
import { trial as sourceWatch } from './source-watch-trial.ts';

it('has every runner of the service in a trial', async () => {
  const logger = createLogger({ service: 'restore', level: 'silent' });
  const runners = await runnersOf(stateFolder =>
    createRestore(restoreSchema.parse({ stateFolder, signingKey: 'env:UNUSED' }), {
      signingKey: Buffer.alloc(32, 1),
      logger,
    }),
  );
  const injured = [execution, sourceWatch].flatMap(trial => trial.runners);
  expect(runners.length).toBeGreaterThan(0);
  // Each trial's own suite shows that its runners pass.
  expect(runners.filter(runner => !injured.includes(runner))).toEqual([]);
});
