-- What runners of a group tell each other and operators, through the database of the whole bus.

-- Set by an operator: runners of the group start nothing until it is cleared.
alter table consumer_groups
  add column paused_at timestamptz,
  add column paused_by text,
  add column pause_reason text;

-- The runners of a group that are alive: each renews its row every few seconds.
create table group_runners (
  consumer_group text not null,
  runner text not null,
  -- The event types it has handlers for: versions of a consumer that run side by side may differ.
  events text[] not null,
  circuit text not null default 'closed' check (circuit in ('closed', 'open', 'half-open')),
  circuit_since timestamptz,
  circuit_error text,
  started_at timestamptz not null default clock_timestamp(),
  seen_at timestamptz not null default clock_timestamp(),
  primary key (consumer_group, runner)
);
