/** What system tests use of the demo: its estate, its load, and Holdfast as one process. */
export { type BackupJob, startBackupJob } from './estate/backup-job.ts';
export { type Estate, startEstate } from './estate/estate.ts';
export { copiesFolder, estateFolders } from './estate/folders.ts';
export { databasesOf, groupName, management, smallGroup, wholeGroup } from './estate/sample-group.ts';
export { failoverInput } from './failover/failover.ts';
export { followThrough } from './failover/follow-through.ts';
export {
  countUnsafeRepeats,
  criticalPathSeconds,
  type LoggedStatement,
  readStatementLogs,
} from './failover/statements.ts';
export { createGatewayClient } from './gateway-client.ts';
export { type Holdfast, startHoldfast } from './holdfast.ts';
export { type Protected, protectEstate, registerGroup } from './protect/protect.ts';
export { oneOf, seededRandom, wholeBelow } from './random.ts';
export { connect, connected } from './sql-connection.ts';
export { noRecorder } from './workload/journal.ts';
export { startLoad } from './workload/load.ts';
export { pause } from './workload/repeating.ts';
