import type { MessagingTables } from '@holdfast/messaging';
import type { IdempotencyTables } from '@holdfast/service/host';
import type { SourceHoldTables } from '@holdfast/service/source-hold';

type KnownGroupTable = { group_id: string; version: number; body: string };
type KnownAddressTable = { instance_id: string; version: number; body: string };
type HistoryLookTable = {
  group_id: string;
  observed_at: string | null;
  looked_at: string | null;
  observation_error: string | null;
  file_error: string | null;
  covered_databases: string | null;
  members: string | null;
};
type BackupSetTable = {
  id: string;
  group_id: string;
  version: number;
  number: string;
  sort_key: string;
  type: string;
  mark_name: string | null;
  started_at_recorded: string;
  time_basis: string;
  started_at: string | null;
  state: string;
  reasons: string;
  history_rows: string;
  covered_databases: string | null;
  settled: number;
  published_hash: string;
};
type BackupFileTable = {
  id: string;
  set_id: string;
  group_id: string;
  row_index: number;
  database_id: string;
  database_name: string;
  source_instance_id: string;
  source_instance: string;
  path: string;
  position: number;
  state: string;
  reasons: string;
  header: string | null;
  mark_lsn: string | null;
  marked_at_recorded: string | null;
  marked_at: string | null;
  seen_at: string;
  checked_at: string | null;
  next_check_at: string | null;
};
type RecoveryPointTable = {
  id: string;
  group_id: string;
  set_id: string;
  sort_key: string;
  version: number;
  mark_name: string;
  marked_at: string | null;
  verdict: string;
  reasons: string;
  databases: string;
  published_hash: string;
  changed: number;
};
type ForeignBackupTable = {
  group_id: string;
  backup_set_uuid: string;
  instance_id: string;
  database_id: string;
  device: string | null;
  sort_key: string;
  confirmed: number;
  body: string;
};
type MsdbPositionTable = { group_id: string; instance_id: string; row_id: number };
type BackupJobTable = { group_id: string; observed_at: string | null; error: string | null; body: string | null };
type JobRequestTable = {
  id: string;
  group_id: string;
  kind: string;
  requested_by: string;
  reason: string;
  requested_at: string;
  last_run_before: string | null;
  done_at: string | null;
};

/** Rows as the migrations define them. */
export type BackupTables = MessagingTables &
  IdempotencyTables &
  SourceHoldTables & {
    known_group: KnownGroupTable;
    known_address: KnownAddressTable;
    history_look: HistoryLookTable;
    backup_set: BackupSetTable;
    backup_file: BackupFileTable;
    recovery_point: RecoveryPointTable;
    foreign_backup: ForeignBackupTable;
    msdb_position: MsdbPositionTable;
    backup_job: BackupJobTable;
    job_request: JobRequestTable;
  };
