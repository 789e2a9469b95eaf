-- expand
-- JSON: what the group's tables said at the last look; null: they were read before this was kept.
alter table biztalk_group add tables nvarchar(max) collate Latin1_General_100_BIN2 null;
-- JSON: what the instance said of its databases, jobs, logins and linked servers at the last look; null as above.
alter table sql_instance add details nvarchar(max) collate Latin1_General_100_BIN2 null;

create table group_computer (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null references biztalk_group (id),
  name nvarchar(256) collate Latin1_General_100_BIN2 not null
);
create index group_computer_by_group on group_computer (group_id, name);
