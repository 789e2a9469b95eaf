-- expand
-- What was decided about its end while the fence is still being taken back.
alter table execution add column ending text;
