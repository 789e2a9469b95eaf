-- expand
create table idempotency (
  caller text not null,
  idempotency_key text not null,
  mutation text not null,
  input_hash text not null,
  result_id text not null,
  primary key (caller, idempotency_key)
) strict;
