-- expand
-- A store on SQL Server begins with every step here: there are no rows of before to be changed.
-- A pass loads what lies ahead of where a database stands, not the whole ledger; these columns let it be found.
-- *_sorted: LSNs with leading zeros, 25 digits, so that text is in the order of numbers; null while no header, or no mark, is known.
-- taken_at: of the set, UTC where it is known, else as recorded. backup_set_uuid: as in the header.
alter table known_file add set_type nvarchar(60) collate Latin1_General_100_BIN2 not null default N'';
alter table known_file add set_state nvarchar(60) collate Latin1_General_100_BIN2 not null default N'';
alter table known_file add taken_at nvarchar(40) collate Latin1_General_100_BIN2 not null default N'';
alter table known_file add backup_set_uuid nvarchar(150) collate Latin1_General_100_BIN2 null;
alter table known_file add last_lsn_sorted nvarchar(60) collate Latin1_General_100_BIN2 null;
alter table known_file add mark_lsn_sorted nvarchar(60) collate Latin1_General_100_BIN2 null;
create index known_file_end on known_file (database_id, last_lsn_sorted);
-- Wide, so that what is left to copy is found without reading headers.
create index known_file_taken
  on known_file (database_id, taken_at, last_lsn_sorted, set_type, set_state, state, backup_set_uuid, file_id);
-- retry_at_ms: of the problem; milliseconds since the epoch.
alter table copy add retry_at_ms bigint null;
create index copy_there on copy (file_id, standby_id, state, backup_set_uuid, retry_at_ms);
create index copy_set on copy (standby_id, set_id);
create index copy_problem on copy (standby_id, retry_at_ms) where problem is not null;
