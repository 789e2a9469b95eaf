-- expand
create table group_view (
  group_id text not null primary key,
  version integer not null,
  body text not null
) strict;
create table address_view (
  instance_id text not null primary key,
  version integer not null,
  body text not null
) strict;
create table set_view (
  set_id text not null primary key,
  group_id text not null,
  version integer not null,
  body text not null
) strict;
create index set_view_of_group on set_view (group_id);
create table point_view (
  recovery_point_id text not null primary key,
  group_id text not null,
  version integer not null,
  body text not null
) strict;
create index point_view_of_group on point_view (group_id);
create table standby_view (
  standby_id text not null primary key,
  group_id text not null,
  version integer not null,
  body text not null
) strict;
create table copy_view (
  standby_id text not null,
  file_id text not null,
  body text not null,
  primary key (standby_id, file_id)
) strict;
create table stream_view (
  stream_id text not null primary key,
  standby_id text not null,
  version integer not null,
  body text not null
) strict;
create index stream_view_of_standby on stream_view (standby_id);
create table standby_yield (
  execution_id text not null primary key,
  standby_id text not null,
  yielded_at text not null
) strict;
