export {
  type Address,
  type AddressProblem,
  addressProblem,
  type Credentials,
  renderAddress,
  windowsAccount,
} from './address.ts';
export { classify, LockLost, type ServerMessage, SqlServerError } from './errors.ts';
export type { ErrorClass } from './error-table.ts';
export { type Exclusive, type ExclusiveRefusal, type ExclusiveRequest, openExclusive } from './exclusive.ts';
export { type BackupSource, recover, restoreFull, restoreLog, restoreLogToMark } from './restore.ts';
export { placeTime, type RecordedTime } from './recorded-time.ts';
export { renderStatement } from './render.ts';
export { openServer, type SqlServer } from './server.ts';
export { statements } from './statements.ts';
