-- expand
-- The fencing token of the leader that recorded last: an older one that wakes up records nothing any more.
alter table execution add column leader_token integer not null default 0;
