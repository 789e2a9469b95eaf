import { runMain } from '@holdfast/service';
import { readInventoryConfig } from './config.ts';
import { createInventory } from './service.ts';

await runMain(() => createInventory(readInventoryConfig()));
