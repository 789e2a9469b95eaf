-- expand
-- rest_at_mark: 1 where the newest log is applied up to its mark instead of being held back. Chosen at the creation, for good.
alter table standby add rest_at_mark bigint not null default 0;
-- missed_mark: a stop that went past its mark, and where it left the database; JSON, null once that one stands elsewhere.
alter table stream add missed_mark nvarchar(max) collate Latin1_General_100_BIN2 null;
