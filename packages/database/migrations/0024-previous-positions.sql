-- The position that the last one replaced, if there was one: the statement that stores a position returns it. To look it up
-- beside that would read the whole table wherever the plan was made while that was small.
alter table inbox_positions add column previous bigint;
