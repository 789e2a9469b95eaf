-- expand
-- What was last published, as text of which order and times are no part: the same text again is no news. null: nothing yet.
alter table biztalk_group add column told text;
alter table sql_instance add column told_logins text;
