-- expand
-- W3C traceparent of the request that started it: the runner's steps and the events go on in its trace. Null for those of before.
alter table execution add traceparent nvarchar(200) collate Latin1_General_100_BIN2 null;
