-- expand
-- A pass loads what lies ahead of where a database stands, not the whole ledger; these columns let it be found.
-- *_sorted: LSNs with leading zeros, 25 digits, so that text is in the order of numbers; null while no header, or no mark, is known.
-- taken_at: of the set, UTC where it is known, else as recorded. backup_set_uuid: as in the header.
alter table known_file add column set_type text not null default '';
alter table known_file add column set_state text not null default '';
alter table known_file add column taken_at text not null default '';
alter table known_file add column backup_set_uuid text;
alter table known_file add column last_lsn_sorted text;
alter table known_file add column mark_lsn_sorted text;
update known_file set
  set_type = (select type from known_set where known_set.set_id = known_file.set_id),
  set_state = (select state from known_set where known_set.set_id = known_file.set_id),
  taken_at = (select coalesce(started_at, started_at_recorded) from known_set where known_set.set_id = known_file.set_id);
update known_file set
  last_lsn_sorted = substr('0000000000000000000000000' || json_extract(header, '$.lastLsn'), -25),
  backup_set_uuid = json_extract(header, '$.backupSetUuid')
  where header is not null;
update known_file set mark_lsn_sorted = substr('0000000000000000000000000' || mark_lsn, -25) where mark_lsn is not null;
create index known_file_end on known_file (database_id, last_lsn_sorted);
-- Wide, so that what is left to copy is found without reading headers.
create index known_file_taken
  on known_file (database_id, taken_at, last_lsn_sorted, set_type, set_state, state, backup_set_uuid, file_id);
-- retry_at_ms: of the problem; milliseconds since the epoch.
alter table copy add column retry_at_ms integer;
update copy set retry_at_ms = json_extract(problem, '$.retryAtMs') where problem is not null;
create index copy_there on copy (file_id, standby_id, state, backup_set_uuid, retry_at_ms);
create index copy_set on copy (standby_id, set_id);
create index copy_problem on copy (standby_id, retry_at_ms) where problem is not null;
