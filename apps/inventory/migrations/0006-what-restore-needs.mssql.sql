-- expand
-- As the group's tables have them: what the steps after recovery replace there. null: unknown, or (other_name) not among the other databases.
alter table group_database add stored_server nvarchar(max) collate Latin1_General_100_BIN2 null;
alter table group_database add other_name nvarchar(256) collate Latin1_General_100_BIN2 null;
-- As `told_logins`, of Agent jobs.
alter table sql_instance add told_jobs nvarchar(max) collate Latin1_General_100_BIN2 null;
