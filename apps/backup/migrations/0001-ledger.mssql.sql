-- expand
-- What inventory published last: group and addresses. `body` is the event's payload, with references to credentials, never credentials.
create table known_group (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create table known_address (
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);

create table history_look (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  observed_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  looked_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  observation_error nvarchar(max) collate Latin1_General_100_BIN2 null,
  -- Why files could not be looked at, apart from the history.
  file_error nvarchar(max) collate Latin1_General_100_BIN2 null,
  -- JSON array: databases that the backup job covered at that look.
  covered_databases nvarchar(max) collate Latin1_General_100_BIN2 null
);

create table backup_set (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  number nvarchar(60) collate Latin1_General_100_BIN2 not null,
  -- The number at a fixed width, then the start: numbers repeat after a failover.
  sort_key nvarchar(150) collate Latin1_General_100_BIN2 not null,
  type nvarchar(60) collate Latin1_General_100_BIN2 not null,
  mark_name nvarchar(256) collate Latin1_General_100_BIN2 null,
  started_at_recorded nvarchar(40) collate Latin1_General_100_BIN2 not null,
  time_basis nvarchar(60) collate Latin1_General_100_BIN2 not null,
  started_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  reasons nvarchar(max) collate Latin1_General_100_BIN2 not null,
  -- JSON: the rows of the history, empty once they have vanished.
  history_rows nvarchar(max) collate Latin1_General_100_BIN2 not null,
  covered_databases nvarchar(max) collate Latin1_General_100_BIN2 null,
  -- Nothing about it can change by looking again, so the history is not read for it any more.
  settled bigint not null,
  published_hash nvarchar(64) collate Latin1_General_100_BIN2 not null
);
create index backup_set_by_group on backup_set (group_id, sort_key);
create index backup_set_open on backup_set (group_id, settled, sort_key);

create table backup_file (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null references backup_set (id),
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  row_index bigint not null,
  database_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  source_instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  source_instance nvarchar(256) collate Latin1_General_100_BIN2 not null,
  path nvarchar(600) collate Latin1_General_100_BIN2 not null,
  position bigint not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  reasons nvarchar(max) collate Latin1_General_100_BIN2 not null,
  header nvarchar(max) collate Latin1_General_100_BIN2 null,
  mark_lsn nvarchar(60) collate Latin1_General_100_BIN2 null,
  marked_at_recorded nvarchar(40) collate Latin1_General_100_BIN2 null,
  marked_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  seen_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  checked_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  next_check_at nvarchar(40) collate Latin1_General_100_BIN2 null
);
create index backup_file_by_set on backup_file (set_id, row_index);
create index backup_file_due on backup_file (group_id, next_check_at);

create table recovery_point (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null references backup_set (id),
  sort_key nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  mark_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  marked_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  verdict nvarchar(60) collate Latin1_General_100_BIN2 not null,
  reasons nvarchar(max) collate Latin1_General_100_BIN2 not null,
  databases nvarchar(max) collate Latin1_General_100_BIN2 not null,
  published_hash nvarchar(64) collate Latin1_General_100_BIN2 not null
);
create index recovery_point_by_group on recovery_point (group_id, sort_key);
