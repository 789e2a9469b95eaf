-- expand
-- Projections of what inventory and backup publish: rebuilt from events, never written by anything else. body is the event's payload.
create table known_group (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);

create table known_instance (
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  server_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  product_version nvarchar(150) collate Latin1_General_100_BIN2 not null
);

create table known_address (
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);

create table known_set (
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  number nvarchar(60) collate Latin1_General_100_BIN2 not null,
  type nvarchar(60) collate Latin1_General_100_BIN2 not null,
  mark_name nvarchar(256) collate Latin1_General_100_BIN2 null,
  started_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  started_at_recorded nvarchar(40) collate Latin1_General_100_BIN2 not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null
);
create index known_set_group on known_set (group_id);

create table known_file (
  file_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  source_instance nvarchar(256) collate Latin1_General_100_BIN2 not null,
  path nvarchar(600) collate Latin1_General_100_BIN2 not null,
  position bigint not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  header nvarchar(max) collate Latin1_General_100_BIN2 null,
  mark_lsn nvarchar(60) collate Latin1_General_100_BIN2 null
);
create index known_file_set on known_file (set_id);
create index known_file_database on known_file (database_id);

create table known_point (
  recovery_point_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  mark_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  marked_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  verdict nvarchar(60) collate Latin1_General_100_BIN2 not null,
  judged_at nvarchar(40) collate Latin1_General_100_BIN2 not null
);
create index known_point_group on known_point (group_id);

-- claim_*: the execution that holds it; yielded_at is null until no runner of ours sends anything any more.
create table standby (
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  group_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  site nvarchar(256) collate Latin1_General_100_BIN2 not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  reasons nvarchar(max) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  newest_common_mark nvarchar(256) collate Latin1_General_100_BIN2 null,
  claim_execution_id nvarchar(150) collate Latin1_General_100_BIN2 null,
  claim_yielded_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  observed_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  created_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  created_by nvarchar(256) collate Latin1_General_100_BIN2 not null
);
create index standby_group on standby (group_id);

-- An instance is a standby of one group once: two standbys would restore over each other.
create table standby_instance (
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  instance_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  sources nvarchar(max) collate Latin1_General_100_BIN2 not null,
  folders nvarchar(max) collate Latin1_General_100_BIN2 not null,
  observed_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  error nvarchar(max) collate Latin1_General_100_BIN2 null,
  primary key (standby_id, instance_id),
  unique (group_id, instance_id)
);

-- seeding_file_id: a full is being restored and nobody has seen it end. problem: the last step that failed, with when to try again.
create table stream (
  stream_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  reasons nvarchar(max) collate Latin1_General_100_BIN2 not null,
  position_lsn nvarchar(60) collate Latin1_General_100_BIN2 null,
  position_fork nvarchar(150) collate Latin1_General_100_BIN2 null,
  last_restored_set_id nvarchar(150) collate Latin1_General_100_BIN2 null,
  held_back_set_id nvarchar(150) collate Latin1_General_100_BIN2 null,
  lag_sets bigint null,
  seeding_file_id nvarchar(150) collate Latin1_General_100_BIN2 null,
  problem nvarchar(max) collate Latin1_General_100_BIN2 null,
  observed_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  unique (standby_id, database_id)
);

-- One file at one standby. WRITING → WRITTEN (whole, hashed, renamed) → VERIFIED (header read at the standby); problem: why it does not go on.
-- prefix_*: how much of the part is on disk for sure and what it hashes to, so that a cut is resumed and never trusted.
create table copy (
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  file_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  database_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  backup_set_uuid nvarchar(150) collate Latin1_General_100_BIN2 not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 not null,
  write_path nvarchar(max) collate Latin1_General_100_BIN2 not null,
  standby_path nvarchar(max) collate Latin1_General_100_BIN2 not null,
  position bigint not null,
  size nvarchar(60) collate Latin1_General_100_BIN2 null,
  source_modified_ms nvarchar(60) collate Latin1_General_100_BIN2 null,
  prefix_bytes nvarchar(60) collate Latin1_General_100_BIN2 null,
  prefix_sha256 nvarchar(64) collate Latin1_General_100_BIN2 null,
  sha256 nvarchar(64) collate Latin1_General_100_BIN2 null,
  header nvarchar(max) collate Latin1_General_100_BIN2 null,
  problem nvarchar(max) collate Latin1_General_100_BIN2 null,
  copied_at nvarchar(40) collate Latin1_General_100_BIN2 null,
  primary key (standby_id, file_id)
);
