-- expand
-- What was decided about its end while the fence is still being taken back.
alter table execution add ending nvarchar(max) collate Latin1_General_100_BIN2 null;
