-- When a floor was raised last: an inbox forgets nothing on its account until every runner may have read it, whoever raised
-- it. Those that are there count as raised now.
alter table inbox_floors add column raised_at timestamptz not null default clock_timestamp();
