-- expand
-- W3C traceparent of the request that started it: the runner's steps and the events go on in its trace. Null for those of before.
alter table execution add column traceparent text;
