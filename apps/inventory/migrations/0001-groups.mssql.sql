-- expand
create table biztalk_group (
  id nvarchar(150) collate Latin1_General_100_BIN2 not null primary key,
  name nvarchar(256) collate Latin1_General_100_BIN2 not null,
  site nvarchar(256) collate Latin1_General_100_BIN2 not null,
  tags nvarchar(max) collate Latin1_General_100_BIN2 not null,
  registered_at nvarchar(40) collate Latin1_General_100_BIN2 not null
);
