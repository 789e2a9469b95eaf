-- expand
create table sql_instance (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  server_name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  site nvarchar(256) collate Latin1_General_100_BIN2 not null,
  product_version nvarchar(150) collate Latin1_General_100_BIN2 not null,
  -- How to reach it, as JSON: references to credentials, never credentials.
  address nvarchar(max) collate Latin1_General_100_BIN2 not null,
  observed_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  observation_error nvarchar(max) collate Latin1_General_100_BIN2 null
);

alter table biztalk_group add version bigint not null default 1;
alter table biztalk_group add management_database_id nvarchar(150) collate Latin1_General_100_BIN2 not null default N'';
alter table biztalk_group add observed_at nvarchar(40) collate Latin1_General_100_BIN2 null;
alter table biztalk_group add observation_error nvarchar(max) collate Latin1_General_100_BIN2 null;

create table group_database (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null references biztalk_group (id),
  name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  role nvarchar(60) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null references sql_instance (id),
  in_backup_job bigint not null,
  state nvarchar(60) collate Latin1_General_100_BIN2 null,
  recovery_model nvarchar(60) collate Latin1_General_100_BIN2 null
);
create index group_database_by_group on group_database (group_id, id);

create table group_instance (
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null references biztalk_group (id),
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null references sql_instance (id),
  -- The instance as the group's tables name it: an alias as often as not.
  name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  primary key (group_id, name)
);
