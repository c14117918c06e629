-- What belongs to the whole bus. Kept here and not in Redis, because a Redis that goes back in time would
-- forget the groups together with the events.

create table topics (
  name text primary key check (name ~ '^[a-z][a-z0-9_.-]*$'),
  partitions integer not null check (partitions between 1 and 256),
  registered_at timestamptz not null default clock_timestamp()
);

create table consumer_groups (
  name text primary key check (name ~ '^[a-z][a-z0-9_.-]*$'),
  topics text[] not null,
  ordering text not null check (ordering in ('none', 'aggregate')),
  start_from text not null check (start_from in ('beginning', 'now')),
  -- For groups that start at 'now': source -> last position that was already written, which they skip.
  start_positions jsonb not null default '{}',
  policy jsonb not null default '{}',
  registered_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp()
);
