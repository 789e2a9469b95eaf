-- expand
-- seeding_evidence: which full it is, what the instance's restore history held before it was sent, and who sent it. It tells afterwards
-- whether the full ended, and that a half-done database is ours. Without it nothing is replaced.
alter table stream add seeding_evidence nvarchar(max) collate Latin1_General_100_BIN2 null;
-- writer: fencing token of the leader that writes the copy. An older one that wakes up changes nothing any more.
alter table copy add writer bigint not null default 0;
