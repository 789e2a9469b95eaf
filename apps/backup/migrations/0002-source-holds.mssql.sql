-- expand
-- Executions that may work on a group's source: from claim to end nothing of ours is sent there (design.md §5).
create table source_hold (
  execution_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  group_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  -- A drill works on copies: its claim holds no source.
  leaves_source bigint not null,
  claimed_at nvarchar(40) collate Latin1_General_100_BIN2 null
);
create index source_hold_by_group on source_hold (group_id);
