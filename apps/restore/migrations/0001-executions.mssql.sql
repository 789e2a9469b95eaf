-- expand
create table execution (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  kind nvarchar(60) collate Latin1_General_100_BIN2 not null,
  mode nvarchar(60) collate Latin1_General_100_BIN2 not null,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  group_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  target nvarchar(max) collate Latin1_General_100_BIN2 not null,
  expected_mark nvarchar(256) collate Latin1_General_100_BIN2 null,
  declared nvarchar(max) collate Latin1_General_100_BIN2 not null,
  sources nvarchar(max) collate Latin1_General_100_BIN2 not null,
  chosen nvarchar(max) collate Latin1_General_100_BIN2 null,
  data_loss nvarchar(max) collate Latin1_General_100_BIN2 null,
  passed_point_of_no_return bigint not null,
  requested_by nvarchar(256) collate Latin1_General_100_BIN2 not null,
  reason nvarchar(max) collate Latin1_General_100_BIN2 not null,
  started_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  finished_at nvarchar(40) collate Latin1_General_100_BIN2 null
);
-- One execution per group at a time, whatever the code believes.
create unique index execution_running on execution (group_id) where finished_at is null;
create index execution_of_group on execution (group_id, id);

create table step (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  execution_id nvarchar(150) collate Latin1_General_100_BIN2 not null references execution (id),
  position bigint not null,
  work nvarchar(max) collate Latin1_General_100_BIN2 not null,
  name nvarchar(max) collate Latin1_General_100_BIN2 not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  actor nvarchar(max) collate Latin1_General_100_BIN2 not null,
  place nvarchar(max) collate Latin1_General_100_BIN2 not null,
  why nvarchar(max) collate Latin1_General_100_BIN2 not null,
  command nvarchar(max) collate Latin1_General_100_BIN2 not null,
  expected nvarchar(max) collate Latin1_General_100_BIN2 not null,
  undo nvarchar(max) collate Latin1_General_100_BIN2 null,
  database_id nvarchar(150) collate Latin1_General_100_BIN2 null,
  database_name nvarchar(256) collate Latin1_General_100_BIN2 null,
  started_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  finished_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  attempts bigint not null,
  progress_percent float null,
  reasons nvarchar(max) collate Latin1_General_100_BIN2 not null,
  unique (execution_id, position)
);
