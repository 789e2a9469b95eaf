-- expand
create table job_view (
  instance_id text not null primary key,
  version integer not null,
  body text not null
) strict;
