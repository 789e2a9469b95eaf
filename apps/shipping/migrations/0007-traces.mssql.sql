-- expand
-- W3C traceparent of what was asked for last (its creation, a pause, a claim, …): what the runners do goes on in that trace until it is brought
-- about. It takes the place of claim_traceparent, which nobody reads any more.
alter table standby add traceparent nvarchar(200) collate Latin1_General_100_BIN2 null;
