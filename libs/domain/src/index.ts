export {
  parseId,
  type BackupFileId,
  type BackupSetId,
  type DatabaseId,
  type ExecutionId,
  type GroupId,
  type Id,
  type InstanceId,
  type RecoveryPointId,
  type StandbyId,
  type StreamId,
} from './ids.ts';
export { compareLsn, nextSlot, parseLsn, requireLsn, type Lsn } from './lsn.ts';
export { parseMarkName, requireMarkName, type MarkName } from './mark.ts';
export { dateReasons, reason, type Reason, type ReasonCode } from './reason.ts';
