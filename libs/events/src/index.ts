export { allContracts } from './all-contracts.ts';
export { backupFile, recoveryPointJudged, setQualified } from './backup.ts';
export {
  eventCodec,
  eventContentType,
  parseEvent,
  renderEvent,
  type EventEnvelope,
  type EventStamp,
  type ParsedEvent,
  type RenderedEvent,
} from './codec.ts';
export type { EventContract, PayloadOf } from './contract.ts';
export { parkedByBackup, parkedByInventory, parkedByRestore, parkedByShipping } from './dead-letter.ts';
export { groupObserved, instanceAddressed, jobsObserved, loginsObserved, sqlInstanceRegistered } from './inventory.ts';
export { executionChanged, standbyClaimed, standbyReleased } from './restore.ts';
export { fileCopied, standbyChanged, standbyState, standbyYielded, streamMoved } from './shipping.ts';
