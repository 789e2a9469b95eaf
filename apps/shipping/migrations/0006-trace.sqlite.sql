-- expand
-- W3C traceparent of the event that claimed it: what stops the runners and answers goes on in the trace of the execution.
alter table standby add column claim_traceparent text;
