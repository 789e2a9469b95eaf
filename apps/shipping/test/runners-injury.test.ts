import { expect, it } from '@jest/globals';
import { createLogger } from '@holdfast/service';
import { runnersOf } from '@holdfast/service/injury';
import { createShipping, shippingSchema } from '../src/service.ts';
import { trial as copy } from './copy-trial.ts';
import { trial as stream } from './stream-trial.ts';

it('has every runner of the service in a trial', async () => {
  const logger = createLogger({ service: 'shipping', level: 'silent' });
  const runners = await runnersOf(stateFolder =>
    createShipping(shippingSchema.parse({ stateFolder, signingKey: 'env:UNUSED' }), {
      signingKey: Buffer.alloc(32, 1),
      logger,
    }),
  );
  const injured = [copy, stream].flatMap(trial => trial.runners);
  expect(runners.length).toBeGreaterThan(0);
  // Each trial's own suite shows that its runners pass.
  expect(runners.filter(runner => !injured.includes(runner))).toEqual([]);
});
