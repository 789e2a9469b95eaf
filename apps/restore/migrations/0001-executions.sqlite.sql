-- expand
create table execution (
  id text not null primary key,
  version integer not null,
  state text not null,
  kind text not null,
  mode text not null,
  group_id text not null,
  group_name text not null,
  standby_id text not null,
  target text not null,
  expected_mark text,
  declared text not null,
  sources text not null,
  chosen text,
  data_loss text,
  passed_point_of_no_return integer not null,
  requested_by text not null,
  reason text not null,
  started_at text not null,
  finished_at text
) strict;
-- One execution per group at a time, whatever the code believes.
create unique index execution_running on execution (group_id) where finished_at is null;
create index execution_of_group on execution (group_id, id);

create table step (
  id text not null primary key,
  execution_id text not null references execution (id),
  position integer not null,
  work text not null,
  name text not null,
  state text not null,
  actor text not null,
  place text not null,
  why text not null,
  command text not null,
  expected text not null,
  undo text,
  database_id text,
  database_name text,
  started_at text,
  finished_at text,
  attempts integer not null,
  progress_percent real,
  reasons text not null,
  unique (execution_id, position)
) strict;
