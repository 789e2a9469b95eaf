-- expand
-- JSON: what the group's tables said at the last look; null: they were read before this was kept.
alter table biztalk_group add column tables text;
-- JSON: what the instance said of its databases, jobs, logins and linked servers at the last look; null as above.
alter table sql_instance add column details text;

create table group_computer (
  id text not null primary key,
  group_id text not null references biztalk_group (id),
  name text not null
) strict;
create index group_computer_by_group on group_computer (group_id, name);
