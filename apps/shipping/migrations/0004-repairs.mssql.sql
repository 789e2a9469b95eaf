-- expand
-- pause: who stopped the runners, why, until when; JSON, null while they work.
alter table standby add pause nvarchar(max) collate Latin1_General_100_BIN2 null;
-- reseed: the full that replaces what stands there, as it was asked for; JSON, null when none is.
alter table stream add reseed nvarchar(max) collate Latin1_General_100_BIN2 null;
-- damaged_sha256: a file of this content could not be restored although it is what the source holds.
alter table copy add damaged_sha256 nvarchar(64) collate Latin1_General_100_BIN2 null;
