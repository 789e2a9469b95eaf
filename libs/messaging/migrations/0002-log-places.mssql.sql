-- expand
-- The event at the position: an offset alone does not tell a log from the one that took its place.
alter table consumer_position add event_id nvarchar(150) collate Latin1_General_100_BIN2 null;

-- What each partition of a bus acknowledged last, and where this publication of the outbox began in it: enough to see whether the log
-- still holds it.
create table relay_place (
  bus nvarchar(150) collate Latin1_General_100_BIN2 not null,
  topic nvarchar(150) collate Latin1_General_100_BIN2 not null,
  partition_name nvarchar(150) collate Latin1_General_100_BIN2 not null,
  first_offset nvarchar(60) collate Latin1_General_100_BIN2 not null,
  record_offset nvarchar(60) collate Latin1_General_100_BIN2 not null,
  event_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  primary key (bus, topic, partition_name)
);

-- After a loss everything up to resend_until is sent again; 0 when nothing is.
alter table relay_position add resend_until bigint not null default 0;
alter table relay_position add resent_total bigint not null default 0;

-- Events of a version that this service does not know yet were passed over: after the upgrade their consumer has to be rebuilt.
create table newer_version (
  consumer nvarchar(150) collate Latin1_General_100_BIN2 not null,
  type nvarchar(150) collate Latin1_General_100_BIN2 not null,
  events bigint not null,
  first_event_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  first_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  primary key (consumer, type)
);
