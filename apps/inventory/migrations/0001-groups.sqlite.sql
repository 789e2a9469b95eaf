-- expand
create table biztalk_group (
  id text not null primary key,
  name text not null,
  site text not null,
  tags text not null,
  registered_at text not null
) strict;
