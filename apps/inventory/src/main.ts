import { runOrRebuild } from '@holdfast/service/host';
import { environment, readInventoryConfig } from './config.ts';
import { createInventory } from './service.ts';

await runOrRebuild(process.argv.slice(2), overrides =>
  createInventory(readInventoryConfig(), { env: environment, ...overrides }),
);
