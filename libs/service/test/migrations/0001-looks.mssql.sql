-- expand
create table look (seq integer not null primary key, fencing_token integer not null);
