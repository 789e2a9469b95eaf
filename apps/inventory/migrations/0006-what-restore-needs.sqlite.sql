-- expand
-- As the group's tables have them: what the steps after recovery replace there. null: unknown, or (other_name) not among the other databases.
alter table group_database add column stored_server text;
alter table group_database add column other_name text;
-- As `told_logins`, of Agent jobs.
alter table sql_instance add column told_jobs text;
