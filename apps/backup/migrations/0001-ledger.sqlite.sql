-- expand
-- What inventory published last: group and addresses. `body` is the event's payload, with references to credentials, never credentials.
create table known_group (
  group_id text not null primary key,
  version integer not null,
  body text not null
) strict;
create table known_address (
  instance_id text not null primary key,
  version integer not null,
  body text not null
) strict;

create table history_look (
  group_id text not null primary key,
  observed_at text,
  looked_at text,
  observation_error text,
  -- Why files could not be looked at, apart from the history.
  file_error text,
  -- JSON array: databases that the backup job covered at that look.
  covered_databases text
) strict;

create table backup_set (
  id text not null primary key,
  group_id text not null,
  version integer not null,
  number text not null,
  -- The number at a fixed width, then the start: numbers repeat after a failover.
  sort_key text not null,
  type text not null,
  mark_name text,
  started_at_recorded text not null,
  time_basis text not null,
  started_at text,
  state text not null,
  reasons text not null,
  -- JSON: the rows of the history, empty once they have vanished.
  history_rows text not null,
  covered_databases text,
  -- Nothing about it can change by looking again, so the history is not read for it any more.
  settled integer not null,
  published_hash text not null
) strict;
create index backup_set_by_group on backup_set (group_id, sort_key);
create index backup_set_open on backup_set (group_id, settled, sort_key);

create table backup_file (
  id text not null primary key,
  set_id text not null references backup_set (id),
  group_id text not null,
  row_index integer not null,
  database_id text not null,
  database_name text not null,
  source_instance_id text not null,
  source_instance text not null,
  path text not null,
  position integer not null,
  state text not null,
  reasons text not null,
  header text,
  mark_lsn text,
  marked_at_recorded text,
  marked_at text,
  seen_at text not null,
  checked_at text,
  next_check_at text
) strict;
create index backup_file_by_set on backup_file (set_id, row_index);
create index backup_file_due on backup_file (group_id, next_check_at);

create table recovery_point (
  id text not null primary key,
  group_id text not null,
  set_id text not null references backup_set (id),
  sort_key text not null,
  version integer not null,
  mark_name text not null,
  marked_at text,
  verdict text not null,
  reasons text not null,
  databases text not null,
  published_hash text not null
) strict;
create index recovery_point_by_group on recovery_point (group_id, sort_key);
