-- expand
-- Every file is looked at again from now on, the proven ones too.
update backup_file set next_check_at = seen_at where next_check_at is null;

-- JSON: the databases by which points were judged last; when they become others, every point is judged anew.
alter table history_look add column members text;

create index backup_file_by_database on backup_file (database_id, path);

-- Backups in msdb of a source instance that no set of the ledger has.
create table foreign_backup (
  group_id text not null,
  backup_set_uuid text not null,
  instance_id text not null,
  database_id text not null,
  device text,
  -- When it ended, then its uuid.
  sort_key text not null,
  -- The history was read after it was seen and does not have it: until then it may be the job's own.
  confirmed integer not null,
  body text not null,
  primary key (group_id, backup_set_uuid)
) strict;
create index foreign_backup_by_group on foreign_backup (group_id, confirmed, sort_key);

-- How far msdb of each instance has been read.
create table msdb_position (
  group_id text not null,
  instance_id text not null,
  row_id integer not null,
  primary key (group_id, instance_id)
) strict;

-- The backup job as it was seen last; `body` is JSON.
create table backup_job (
  group_id text not null primary key,
  observed_at text,
  error text,
  body text
) strict;

-- What people asked the job for, and why.
create table job_request (
  id text not null primary key,
  group_id text not null,
  kind text not null,
  requested_by text not null,
  reason text not null,
  requested_at text not null,
  -- Start of the job's last run before it was asked for, as Agent recorded it.
  last_run_before text,
  -- null: asked for, and nobody has seen the effect.
  done_at text
) strict;
create index job_request_by_group on job_request (group_id, kind, done_at);

-- Rises with every change of any point: in this order subscribers are told.
alter table recovery_point add column changed integer not null default 0;
update recovery_point set changed = rowid;
create index recovery_point_changed on recovery_point (changed);
create index recovery_point_news on recovery_point (group_id, changed);
