-- Up to when a runner knows of the others of its group, by the clock of this database. A new one waits until those that
-- lack its handlers know of it: they would pass its events over.
alter table group_runners add column known_at timestamptz;
