-- expand
-- Projections of what inventory and backup publish: rebuilt from events, never written by anything else. body is the event's payload.
create table known_group (
  group_id text not null primary key,
  version integer not null,
  name text not null,
  body text not null
) strict;

create table known_instance (
  instance_id text not null primary key,
  version integer not null,
  server_name text not null,
  product_version text not null
) strict;

create table known_address (
  instance_id text not null primary key,
  version integer not null,
  body text not null
) strict;

create table known_set (
  set_id text not null primary key,
  group_id text not null,
  version integer not null,
  number text not null,
  type text not null,
  mark_name text,
  started_at text,
  started_at_recorded text not null,
  state text not null
) strict;
create index known_set_group on known_set (group_id);

create table known_file (
  file_id text not null primary key,
  set_id text not null,
  group_id text not null,
  database_id text not null,
  database_name text not null,
  source_instance text not null,
  path text not null,
  position integer not null,
  state text not null,
  header text,
  mark_lsn text
) strict;
create index known_file_set on known_file (set_id);
create index known_file_database on known_file (database_id);

create table known_point (
  recovery_point_id text not null primary key,
  group_id text not null,
  set_id text not null,
  version integer not null,
  mark_name text not null,
  marked_at text,
  verdict text not null,
  judged_at text not null
) strict;
create index known_point_group on known_point (group_id);

-- claim_*: the execution that holds it; yielded_at is null until no runner of ours sends anything any more.
create table standby (
  standby_id text not null primary key,
  group_id text not null,
  group_name text not null,
  site text not null,
  state text not null,
  reasons text not null,
  version integer not null,
  newest_common_mark text,
  claim_execution_id text,
  claim_yielded_at text,
  observed_at text,
  created_at text not null,
  created_by text not null
) strict;
create index standby_group on standby (group_id);

-- An instance is a standby of one group once: two standbys would restore over each other.
create table standby_instance (
  standby_id text not null,
  instance_id text not null,
  group_id text not null,
  instance_name text not null,
  sources text not null,
  folders text not null,
  observed_at text,
  error text,
  primary key (standby_id, instance_id),
  unique (group_id, instance_id)
) strict;

-- seeding_file_id: a full is being restored and nobody has seen it end. problem: the last step that failed, with when to try again.
create table stream (
  stream_id text not null primary key,
  standby_id text not null,
  group_id text not null,
  database_id text not null,
  database_name text not null,
  instance_id text not null,
  version integer not null,
  state text not null,
  reasons text not null,
  position_lsn text,
  position_fork text,
  last_restored_set_id text,
  held_back_set_id text,
  lag_sets integer,
  seeding_file_id text,
  problem text,
  observed_at text,
  unique (standby_id, database_id)
) strict;

-- One file at one standby. WRITING → WRITTEN (whole, hashed, renamed) → VERIFIED (header read at the standby); problem: why it does not go on.
-- prefix_*: how much of the part is on disk for sure and what it hashes to, so that a cut is resumed and never trusted.
create table copy (
  standby_id text not null,
  file_id text not null,
  set_id text not null,
  database_id text not null,
  instance_id text not null,
  backup_set_uuid text not null,
  state text not null,
  write_path text not null,
  standby_path text not null,
  position integer not null,
  size text,
  source_modified_ms text,
  prefix_bytes text,
  prefix_sha256 text,
  sha256 text,
  header text,
  problem text,
  copied_at text,
  primary key (standby_id, file_id)
) strict, without rowid;
