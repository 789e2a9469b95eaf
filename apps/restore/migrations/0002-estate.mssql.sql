-- expand
create table group_view (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create table address_view (
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create table set_view (
  set_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create index set_view_of_group on set_view (group_id);
create table point_view (
  recovery_point_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create index point_view_of_group on point_view (group_id);
create table standby_view (
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create table copy_view (
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  file_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null,
  primary key (standby_id, file_id)
);
create table stream_view (
  stream_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
create index stream_view_of_standby on stream_view (standby_id);
create table standby_yield (
  execution_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  standby_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  yielded_at nvarchar(40) collate Latin1_General_100_BIN2 not null
);
