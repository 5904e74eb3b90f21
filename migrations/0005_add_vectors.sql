-- requires: vector
create extension if not exists vector;--> statement-breakpoint
-- Of no fixed length: which model makes them is a setting. A person's own are few and compared one by one, so there is no index of neighbours.
alter table embeddings add column vector vector;
