import { executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import { on, type Reaction } from '@holdfast/messaging';
import type { Projections } from '@holdfast/service/host';
import { beginHold, endHold, noteExecution } from '@holdfast/service/source-hold';
import type { InventoryTables } from './tables.ts';

export const reactions: readonly Reaction<InventoryTables>[] = [
  on(executionChanged, noteExecution),
  on(standbyClaimed, beginHold),
  on(standbyReleased, endHold),
];

/** What the reactions keep, by the key of each table: nothing else writes there, so a rebuild empties it and reads it all again. */
export const projections = {
  source_hold: ['execution_id'],
} satisfies Projections<InventoryTables>;
