-- expand
-- What was last published, as text of which order and times are no part: the same text again is no news. null: nothing yet.
alter table biztalk_group add told nvarchar(max) collate Latin1_General_100_BIN2 null;
alter table sql_instance add told_logins nvarchar(max) collate Latin1_General_100_BIN2 null;
