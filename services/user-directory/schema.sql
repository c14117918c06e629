-- The tables of the user directory. May be applied again and again.

create table if not exists user_directory (
  user_id text primary key,
  tenant_id text not null,
  name text,
  email text,
  deleted_at timestamptz,
  -- How many events made it what it is.
  version integer not null
);

-- One row per applied event, numbered in the order in which they were applied. Nothing but that order and the inbox
-- keeps event_id unique: an event that were applied twice, or too late, would show here.
create table if not exists user_directory_history (
  user_id text not null references user_directory,
  version integer not null,
  event_id uuid not null,
  event_type text not null,
  occurred_at timestamptz not null,
  primary key (user_id, version)
);
