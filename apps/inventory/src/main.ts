import { runMain } from '@holdfast/service';
import { environment, readInventoryConfig } from './config.ts';
import { createInventory } from './service.ts';

await runMain(() => createInventory(readInventoryConfig(), { env: environment }));
