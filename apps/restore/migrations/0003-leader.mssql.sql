-- expand
-- The fencing token of the leader that recorded last: an older one that wakes up records nothing any more.
alter table execution add leader_token bigint not null default 0;
