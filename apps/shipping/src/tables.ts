import type { MessagingTables } from '@holdfast/messaging';
import type { IdempotencyTables } from '@holdfast/service/host';

type KnownGroupTable = { group_id: string; version: number; name: string; body: string };
type KnownInstanceTable = { instance_id: string; version: number; server_name: string; product_version: string };
type KnownAddressTable = { instance_id: string; version: number; body: string };
type KnownSetTable = {
  set_id: string;
  group_id: string;
  version: number;
  number: string;
  type: string;
  mark_name: string | null;
  started_at: string | null;
  started_at_recorded: string;
  state: string;
};
type KnownFileTable = {
  file_id: string;
  set_id: string;
  group_id: string;
  database_id: string;
  database_name: string;
  source_instance: string;
  path: string;
  position: number;
  state: string;
  /** JSON. */
  header: string | null;
  mark_lsn: string | null;
  set_type: string;
  set_state: string;
  taken_at: string;
  /** LSNs as `sortable` writes them. */
  last_lsn_sorted: string | null;
  mark_lsn_sorted: string | null;
  backup_set_uuid: string | null;
};
type KnownPointTable = {
  recovery_point_id: string;
  group_id: string;
  set_id: string;
  version: number;
  mark_name: string;
  marked_at: string | null;
  verdict: string;
  judged_at: string;
};
type StandbyTable = {
  standby_id: string;
  group_id: string;
  group_name: string;
  site: string;
  rest_at_mark: number;
  state: string;
  /** JSON. */
  reasons: string;
  version: number;
  newest_common_mark: string | null;
  claim_execution_id: string | null;
  claim_yielded_at: string | null;
  traceparent: string | null;
  /** JSON. */
  pause: string | null;
  observed_at: string | null;
  created_at: string;
  created_by: string;
};
type StandbyInstanceTable = {
  standby_id: string;
  instance_id: string;
  group_id: string;
  instance_name: string;
  /** JSON. */
  sources: string;
  /** JSON. */
  folders: string;
  observed_at: string | null;
  error: string | null;
};
type StreamTable = {
  stream_id: string;
  standby_id: string;
  group_id: string;
  database_id: string;
  database_name: string;
  instance_id: string;
  version: number;
  state: string;
  /** JSON. */
  reasons: string;
  position_lsn: string | null;
  position_fork: string | null;
  last_restored_set_id: string | null;
  held_back_set_id: string | null;
  lag_sets: number | null;
  seeding_file_id: string | null;
  /** JSON. */
  seeding_evidence: string | null;
  /** JSON. */
  reseed: string | null;
  /** JSON. */
  problem: string | null;
  /** JSON. */
  missed_mark: string | null;
  observed_at: string | null;
};
type CopyTable = {
  standby_id: string;
  file_id: string;
  set_id: string;
  database_id: string;
  instance_id: string;
  backup_set_uuid: string;
  state: string;
  write_path: string;
  standby_path: string;
  position: number;
  size: string | null;
  source_modified_ms: string | null;
  prefix_bytes: string | null;
  prefix_sha256: string | null;
  sha256: string | null;
  /** JSON. */
  header: string | null;
  /** JSON. */
  problem: string | null;
  retry_at_ms: number | null;
  damaged_sha256: string | null;
  copied_at: string | null;
  writer: number;
};

/** Rows as the migrations define them. */
export type ShippingTables = MessagingTables &
  IdempotencyTables & {
    known_group: KnownGroupTable;
    known_instance: KnownInstanceTable;
    known_address: KnownAddressTable;
    known_set: KnownSetTable;
    known_file: KnownFileTable;
    known_point: KnownPointTable;
    standby: StandbyTable;
    standby_instance: StandbyInstanceTable;
    stream: StreamTable;
    copy: CopyTable;
  };
