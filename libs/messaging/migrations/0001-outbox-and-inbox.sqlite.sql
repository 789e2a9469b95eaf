-- expand
-- One row. Every append raises seq inside its own transaction: whoever appends holds this row until the commit, so that commits follow seq
-- on a database with concurrent writers too, and a reader that has seen 7 will never be handed a later 6.
-- log_id tells a log from the one that was there before its file was deleted.
create table outbox_head (
  id integer not null primary key check (id = 1),
  seq integer not null,
  log_id text not null
) strict;
insert into outbox_head (id, seq, log_id) values (1, 0, lower(hex(randomblob(16))));

-- Append-only: what was sent is known by position, never by changing or removing a row, because a rebuild reads from the start.
create table outbox (
  seq integer not null primary key,
  topic text not null,
  message_key text not null,
  key_sequence integer not null,
  event_id text not null unique,
  type text not null,
  body text not null,
  created_at text not null
) strict;
create index outbox_topic on outbox (topic, seq);
create unique index outbox_key on outbox (topic, message_key, key_sequence);

-- How far the relay to each bus has got.
create table relay_position (
  bus text not null primary key,
  seq integer not null,
  sent_at text not null
) strict;

create table inbox (
  consumer text not null,
  event_id text not null,
  received_at text not null,
  primary key (consumer, event_id)
) strict, without rowid;

-- Of the last record whose effect is committed. Offsets are decimal text: Kafka's are 64-bit.
create table consumer_position (
  consumer text not null,
  topic text not null,
  partition_name text not null,
  record_offset text not null,
  primary key (consumer, topic, partition_name)
) strict, without rowid;

create table dead_letter (
  consumer text not null,
  topic text not null,
  partition_name text not null,
  record_offset text not null,
  message_key text not null,
  event_id text not null,
  body text not null,
  reason text not null,
  attempts integer not null,
  failed_at text not null,
  primary key (consumer, event_id)
) strict;
