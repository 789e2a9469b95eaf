-- expand
-- A store on SQL Server begins with every step here: there are no rows of before to be changed.

-- JSON: the databases by which points were judged last; when they become others, every point is judged anew.
alter table history_look add members nvarchar(max) collate Latin1_General_100_BIN2 null;

create index backup_file_by_database on backup_file (database_id, path);

-- Backups in msdb of a source instance that no set of the ledger has.
create table foreign_backup (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  backup_set_uuid nvarchar(150) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  device nvarchar(max) collate Latin1_General_100_BIN2 null,
  -- When it ended, then its uuid.
  sort_key nvarchar(150) collate Latin1_General_100_BIN2 not null,
  -- The history was read after it was seen and does not have it: until then it may be the job's own.
  confirmed bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null,
  primary key (group_id, backup_set_uuid)
);
create index foreign_backup_by_group on foreign_backup (group_id, confirmed, sort_key);

-- How far msdb of each instance has been read.
create table msdb_position (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  row_id bigint not null,
  primary key (group_id, instance_id)
);

-- The backup job as it was seen last; `body` is JSON.
create table backup_job (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  observed_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  error nvarchar(max) collate Latin1_General_100_BIN2 null,
  body nvarchar(max) collate Latin1_General_100_BIN2 null
);

-- What people asked the job for, and why.
create table job_request (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  kind nvarchar(60) collate Latin1_General_100_BIN2 not null,
  requested_by nvarchar(256) collate Latin1_General_100_BIN2 not null,
  reason nvarchar(max) collate Latin1_General_100_BIN2 not null,
  requested_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  -- Start of the job's last run before it was asked for, as Agent recorded it.
  last_run_before nvarchar(40) collate Latin1_General_100_BIN2 null,
  -- null: asked for, and nobody has seen the effect.
  done_at nvarchar(40) collate Latin1_General_100_BIN2 null
);
create index job_request_by_group on job_request (group_id, kind, done_at);

-- Rises with every change of any point: in this order subscribers are told.
alter table recovery_point add changed bigint not null default 0;
create index recovery_point_changed on recovery_point (changed);
create index recovery_point_news on recovery_point (group_id, changed);
