-- expand
create table look (seq bigint identity(1,1) not null primary key, fencing_token bigint not null);
