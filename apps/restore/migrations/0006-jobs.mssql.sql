-- expand
create table job_view (
  instance_id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  version bigint not null,
  body nvarchar(max) collate Latin1_General_100_BIN2 not null
);
