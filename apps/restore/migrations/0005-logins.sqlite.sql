-- expand
create table login_view (
  instance_id text not null primary key,
  version integer not null,
  body text not null
) strict;
