-- expand
-- pause: who stopped the runners, why, until when; JSON, null while they work.
alter table standby add column pause text;
-- reseed: the full that replaces what stands there, as it was asked for; JSON, null when none is.
alter table stream add column reseed text;
-- damaged_sha256: a file of this content could not be restored although it is what the source holds.
alter table copy add column damaged_sha256 text;
