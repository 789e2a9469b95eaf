import type { MessagingTables } from '@holdfast/messaging';
import type { IdempotencyTables } from '@holdfast/service/host';
import type { SourceHoldTables } from '@holdfast/service/source-hold';

type GroupTable = {
  id: string;
  version: number;
  name: string;
  site: string;
  /** JSON array. */
  tags: string;
  management_database_id: string;
  registered_at: string;
  observed_at: string | null;
  observation_error: string | null;
  /** JSON array. */
  awaited_instances: string;
  /** JSON. */
  tables: string | null;
  told: string | null;
};
type InstanceTable = {
  id: string;
  version: number;
  name: string;
  server_name: string;
  site: string;
  product_version: string;
  /** JSON. */
  address: string;
  observed_at: string;
  observation_error: string | null;
  /** JSON. */
  details: string | null;
  told_logins: string | null;
  told_jobs: string | null;
};
type DatabaseTable = {
  id: string;
  group_id: string;
  name: string;
  role: string;
  instance_id: string;
  in_backup_job: number;
  state: string | null;
  recovery_model: string | null;
  stored_server: string | null;
  other_name: string | null;
};
type ComputerTable = { id: string; group_id: string; name: string };
type InstanceNameTable = { name: string; instance_id: string };
type GroupInstanceTable = { group_id: string; instance_id: string; name: string };

/** Rows as the migrations define them. */
export type InventoryTables = MessagingTables &
  IdempotencyTables &
  SourceHoldTables & {
    biztalk_group: GroupTable;
    sql_instance: InstanceTable;
    group_database: DatabaseTable;
    group_instance: GroupInstanceTable;
    group_computer: ComputerTable;
    instance_name: InstanceNameTable;
  };
