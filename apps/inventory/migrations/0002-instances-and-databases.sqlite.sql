-- expand
create table sql_instance (
  id text not null primary key,
  version integer not null,
  name text not null,
  server_name text not null,
  site text not null,
  product_version text not null,
  -- How to reach it, as JSON: references to credentials, never credentials.
  address text not null,
  observed_at text not null,
  observation_error text
) strict;

alter table biztalk_group add column version integer not null default 1;
alter table biztalk_group add column management_database_id text not null default '';
alter table biztalk_group add column observed_at text;
alter table biztalk_group add column observation_error text;

create table group_database (
  id text not null primary key,
  group_id text not null references biztalk_group (id),
  name text not null,
  role text not null,
  instance_id text not null references sql_instance (id),
  in_backup_job integer not null,
  state text,
  recovery_model text
) strict;
create index group_database_by_group on group_database (group_id, id);

create table group_instance (
  group_id text not null references biztalk_group (id),
  instance_id text not null references sql_instance (id),
  -- The instance as the group's tables name it: an alias as often as not.
  name text not null,
  primary key (group_id, name)
) strict;
