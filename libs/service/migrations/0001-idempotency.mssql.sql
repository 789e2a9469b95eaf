-- expand
create table idempotency (
  caller nvarchar(200) collate Latin1_General_100_BIN2 not null,
  idempotency_key nvarchar(250) collate Latin1_General_100_BIN2 not null,
  mutation nvarchar(60) collate Latin1_General_100_BIN2 not null,
  input_hash nvarchar(64) collate Latin1_General_100_BIN2 not null,
  result_id nvarchar(150) collate Latin1_General_100_BIN2 not null,
  primary key (caller, idempotency_key)
);
