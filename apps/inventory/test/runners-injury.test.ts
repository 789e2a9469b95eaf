import { expect, it } from '@jest/globals';
import { createLogger } from '@holdfast/service';
import { runnersOf } from '@holdfast/service/injury';
import { createInventory, inventorySchema } from '../src/service.ts';
import { trial as observation } from './observation-trial.ts';

it('has every runner of the service in a trial', async () => {
  const logger = createLogger({ service: 'inventory', level: 'silent' });
  const runners = await runnersOf(stateFolder =>
    createInventory(inventorySchema.parse({ stateFolder, signingKey: 'env:UNUSED' }), {
      signingKey: Buffer.alloc(32, 1),
      logger,
    }),
  );
  const injured = [observation].flatMap(trial => trial.runners);
  expect(runners.length).toBeGreaterThan(0);
  // Each trial's own suite shows that its runners pass.
  expect(runners.filter(runner => !injured.includes(runner))).toEqual([]);
});
