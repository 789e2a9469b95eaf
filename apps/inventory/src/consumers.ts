import { executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import { on, type Reaction } from '@holdfast/messaging';
import { beginHold, endHold, noteExecution } from '@holdfast/service/source-hold';
import type { InventoryTables } from './tables.ts';

export const reactions: readonly Reaction<InventoryTables>[] = [
  on(executionChanged, noteExecution),
  on(standbyClaimed, beginHold),
  on(standbyReleased, endHold),
];
