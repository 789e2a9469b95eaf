-- expand
-- A store on SQL Server begins with every step here: there are no rows of before to be changed.
-- JSON: instances that the group's tables name and to which there is no way yet.
alter table biztalk_group add awaited_instances nvarchar(max) collate Latin1_General_100_BIN2 not null default N'[]';

-- Names under which people registered an instance, in capitals: an alias in a group's tables is resolved by them.
create table instance_name (
  name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null references sql_instance (id),
  primary key (name, instance_id)
);
create index group_instance_by_instance on group_instance (instance_id);
create index group_database_by_instance on group_database (instance_id);

-- Executions that may work on a group's source: from claim to end nothing of ours is sent there (design.md §5).
create table source_hold (
  execution_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  -- A drill works on copies: its claim holds no source.
  leaves_source bigint not null,
  claimed_at nvarchar(40) collate Latin1_General_100_BIN2 null
);
create index source_hold_by_group on source_hold (group_id);
