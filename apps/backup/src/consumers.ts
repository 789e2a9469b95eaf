import { groupObserved, instanceAddressed } from '@holdfast/events';
import { on, type Reaction } from '@holdfast/messaging';
import { saveAddress, saveGroup } from './estate/estate-store.ts';
import type { BackupTables } from './tables.ts';

export const reactions: readonly Reaction<BackupTables>[] = [
  on(groupObserved, saveGroup),
  on(instanceAddressed, saveAddress),
];
