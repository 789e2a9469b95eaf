-- expand
-- Beside what a consumer has seen, the inbox has what it did once and for all, under `<consumer>/once`: a rebuild forgets the first and keeps
-- the second. Until now there was one list: whatever was seen and not parked was done.
insert into inbox (consumer, event_id, received_at)
  select consumer || '/once', event_id, received_at from inbox
  where not exists (
    select 1 from dead_letter where dead_letter.consumer = inbox.consumer and dead_letter.event_id = inbox.event_id
  );
