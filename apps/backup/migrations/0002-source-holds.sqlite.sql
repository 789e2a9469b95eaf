-- expand
-- Executions that may work on a group's source: from claim to end nothing of ours is sent there (design.md §5).
create table source_hold (
  execution_id text not null primary key,
  group_id text not null,
  -- A drill works on copies: its claim holds no source.
  leaves_source integer not null,
  claimed_at text
) strict;
create index source_hold_by_group on source_hold (group_id);
