-- expand
-- W3C traceparent of the event that claimed it: what stops the runners and answers goes on in the trace of the execution.
alter table standby add claim_traceparent nvarchar(200) collate Latin1_General_100_BIN2 null;
