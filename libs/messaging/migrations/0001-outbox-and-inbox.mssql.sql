-- expand
-- One row. Every append raises seq inside its own transaction: whoever appends holds this row until the commit, so that commits follow seq
-- on a database with concurrent writers too, and a reader that has seen 7 will never be handed a later 6.
-- log_id tells a log from the one that was there before its file was deleted.
create table outbox_head (
  id bigint not null primary key check (id = 1),
  seq bigint not null,
  log_id nvarchar(60) collate Latin1_General_100_BIN2 not null
);
insert into outbox_head (id, seq, log_id) values (1, 0, lower(replace(convert(nvarchar(36), newid()), N'-', N'')));

-- Append-only: what was sent is known by position, never by changing or removing a row, because a rebuild reads from the start.
create table outbox (
  seq bigint not null primary key,
  topic nvarchar(150) collate Latin1_General_100_BIN2 not null,
  message_key nvarchar(300) collate Latin1_General_100_BIN2 not null,
  key_sequence bigint not null,
  event_id nvarchar(150) collate Latin1_General_100_BIN2 not null unique,
  type nvarchar(150) collate Latin1_General_100_BIN2 not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null,
  created_at nvarchar(40) collate Latin1_General_100_BIN2 not null
);
create index outbox_topic on outbox (topic, seq);
create unique index outbox_key on outbox (topic, message_key, key_sequence);

-- How far the relay to each bus has got.
create table relay_position (
  bus nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  seq bigint not null,
  sent_at nvarchar(40) collate Latin1_General_100_BIN2 not null
);

create table inbox (
  consumer nvarchar(150) collate Latin1_General_100_BIN2 not null,
  event_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  received_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  primary key (consumer, event_id)
);

-- Of the last record whose effect is committed. Offsets are decimal text: Kafka's are 64-bit.
create table consumer_position (
  consumer nvarchar(150) collate Latin1_General_100_BIN2 not null,
  topic nvarchar(150) collate Latin1_General_100_BIN2 not null,
  partition_name nvarchar(150) collate Latin1_General_100_BIN2 not null,
  record_offset nvarchar(60) collate Latin1_General_100_BIN2 not null,
  primary key (consumer, topic, partition_name)
);

create table dead_letter (
  consumer nvarchar(150) collate Latin1_General_100_BIN2 not null,
  topic nvarchar(150) collate Latin1_General_100_BIN2 not null,
  partition_name nvarchar(150) collate Latin1_General_100_BIN2 not null,
  record_offset nvarchar(60) collate Latin1_General_100_BIN2 not null,
  message_key nvarchar(300) collate Latin1_General_100_BIN2 not null,
  event_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null,
  reason nvarchar(max) collate Latin1_General_100_BIN2 not null,
  attempts bigint not null,
  failed_at nvarchar(40) collate Latin1_General_100_BIN2 not null,
  primary key (consumer, event_id)
);
