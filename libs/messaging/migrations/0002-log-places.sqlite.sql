-- expand
-- The event at the position: an offset alone does not tell a log from the one that took its place.
alter table consumer_position add column event_id text;

-- What each partition of a bus acknowledged last, and where this publication of the outbox began in it: enough to see whether the log
-- still holds it.
create table relay_place (
  bus text not null,
  topic text not null,
  partition_name text not null,
  first_offset text not null,
  record_offset text not null,
  event_id text not null,
  primary key (bus, topic, partition_name)
) strict, without rowid;

-- After a loss everything up to resend_until is sent again; 0 when nothing is.
alter table relay_position add column resend_until integer not null default 0;
alter table relay_position add column resent_total integer not null default 0;

-- Events of a version that this service does not know yet were passed over: after the upgrade their consumer has to be rebuilt.
create table newer_version (
  consumer text not null,
  type text not null,
  events integer not null,
  first_event_id text not null,
  first_at text not null,
  primary key (consumer, type)
) strict, without rowid;
