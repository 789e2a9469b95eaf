-- expand
-- JSON: instances that the group's tables name and to which there is no way yet.
alter table biztalk_group add column awaited_instances text not null default '[]';

-- Names under which people registered an instance, in capitals: an alias in a group's tables is resolved by them.
create table instance_name (
  name text not null,
  instance_id text not null references sql_instance (id),
  primary key (name, instance_id)
) strict;
insert into instance_name (name, instance_id) select upper(name), id from sql_instance;
create index group_instance_by_instance on group_instance (instance_id);
create index group_database_by_instance on group_database (instance_id);

-- Executions that may work on a group's source: from claim to end nothing of ours is sent there (design.md §5).
create table source_hold (
  execution_id text not null primary key,
  group_id text not null,
  -- A drill works on copies: its claim holds no source.
  leaves_source integer not null,
  claimed_at text
) strict;
create index source_hold_by_group on source_hold (group_id);
