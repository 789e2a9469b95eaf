import { expect, it } from '@jest/globals';
import { createLogger } from '@holdfast/service';
import { runnersOf } from '@holdfast/service/injury';
import { createBackup, backupSchema } from '../src/service.ts';
import { trial as backupSet } from './backup-set-trial.ts';

it('has every runner of the service in a trial', async () => {
  const logger = createLogger({ service: 'backup', level: 'silent' });
  const runners = await runnersOf(stateFolder =>
    createBackup(backupSchema.parse({ stateFolder, signingKey: 'env:UNUSED' }), {
      signingKey: Buffer.alloc(32, 1),
      logger,
    }),
  );
  const injured = [backupSet].flatMap(trial => trial.runners);
  expect(runners.length).toBeGreaterThan(0);
  // Each trial's own suite shows that its runners pass.
  expect(runners.filter(runner => !injured.includes(runner))).toEqual([]);
});
