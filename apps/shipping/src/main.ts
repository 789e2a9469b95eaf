import { runMain } from '@holdfast/service';
import { environment, readShippingConfig } from './config.ts';
import { createShipping } from './service.ts';

await runMain(() => createShipping(readShippingConfig(), { env: environment }));
