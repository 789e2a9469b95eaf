import { executionChanged, groupObserved, instanceAddressed, standbyClaimed, standbyReleased } from '@holdfast/events';
import { on, type Reaction } from '@holdfast/messaging';
import { beginHold, endHold, noteExecution } from '@holdfast/service/source-hold';
import { saveAddress, saveGroup } from './estate/estate-store.ts';
import type { BackupTables } from './tables.ts';

export const reactions: readonly Reaction<BackupTables>[] = [
  on(groupObserved, saveGroup),
  on(instanceAddressed, saveAddress),
  on(executionChanged, noteExecution),
  on(standbyClaimed, beginHold),
  on(standbyReleased, endHold),
];
