-- The tables of the demo's own application, apart from everything that belongs to the bus.
create schema demo;

-- The application's data. Its version counts the committed changes of a user or a project, in their order.
create table demo.records (
  type text not null,
  id text not null,
  version integer not null,
  is_deleted boolean not null default false,
  primary key (type, id)
);

-- What the application believes it has told the world: one row per event, written in the event's transaction.
create table demo.appended (
  event_id uuid primary key,
  aggregate_type text not null,
  aggregate_id text not null,
  version integer not null,
  event_type text not null,
  -- The handler of project-activity fails on it: 'once', or 'always', until the project index is mended.
  trouble text,
  unique (aggregate_type, aggregate_id, version)
);

-- The effect of the group project-activity: what happened to each project, numbered as it was applied. Nothing here
-- keeps an event from being applied twice, or too late.
create table demo.project_activity (
  project_id text not null,
  version integer not null,
  event_id uuid not null,
  event_type text not null,
  primary key (project_id, version)
);
