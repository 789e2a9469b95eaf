import { runOrRebuild } from '@holdfast/service/host';
import { environment, readShippingConfig } from './config.ts';
import { createShipping } from './service.ts';

await runOrRebuild(process.argv.slice(2), overrides =>
  createShipping(readShippingConfig(), { env: environment, ...overrides }),
);
