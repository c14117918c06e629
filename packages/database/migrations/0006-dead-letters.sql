-- What groups gave up, and what people did about it. Stands beside the inbox, so that an event is settled as dead and
-- its letter written in one transaction.

-- The groups whose inbox is in this database, as their runners stated them: who gives entries up has to know whose they
-- are, and when.
create table inbox_groups (
  consumer_group text primary key,
  on_dead_letter text not null check (on_dead_letter in ('continue', 'hold')),
  -- Entries that were handed out so often have outlived their processes.
  max_deliveries integer not null check (max_deliveries > 0),
  -- After so long without a sign of life the holder of an entry is taken for dead.
  claim_idle_ms integer not null check (claim_idle_ms > 0),
  seen_at timestamptz not null default clock_timestamp()
);

-- A row per event that a group gave up, whole. The stream {…}:dlq:<group> in Redis is a copy of those that are 'dead'.
--
--     dead       waits for somebody to decide
--     redriving  is to be handled again, through the group's inject stream; the inbox says 'dead' until it is
--     done       was handled in a redrive
--     discarded  somebody decided that it never will be
create table dead_letters (
  consumer_group text not null,
  event_id uuid not null,
  replay_id text not null default '',
  -- The event's own, which is part of its key in the inbox.
  occurred_at timestamptz not null,
  state text not null default 'dead' check (state in ('dead', 'redriving', 'done', 'discarded')),
  kind text not null,
  reason text not null,
  error text not null,
  stack text not null,
  -- The same for errors of the same kind, whatever IDs and numbers their messages name.
  fingerprint text not null,
  -- Over all redrives.
  attempts integer not null,
  history jsonb not null,
  deliveries integer not null,
  consumer text not null,
  first_delivered_at timestamptz not null,
  dead_at timestamptz not null default clock_timestamp(),
  -- Groups that hold: the earlier event of the aggregate that this one waits for.
  behind uuid,
  stream text not null,
  stream_id text not null,
  -- The fields of the entry as they stood. What follows is taken from them, for people to select by.
  fields json not null,
  source text not null,
  position bigint,
  event_type text not null,
  aggregate_type text not null,
  aggregate_id text not null,
  tenant_id text not null,
  trace_id text not null,
  redrives integer not null default 0,
  redriven_at timestamptz,
  resolved_at timestamptz,
  -- Where its copy and its redrive stand in Redis, as far as is known.
  dlq_id text,
  inject_id text,
  primary key (consumer_group, event_id, replay_id)
);
create index dead_letters_open on dead_letters (consumer_group, stream, dead_at, event_id)
  where state in ('dead', 'redriving');
create index dead_letters_aggregate on dead_letters (consumer_group, aggregate_type, aggregate_id, position)
  where state in ('dead', 'redriving');
create index dead_letters_resolved on dead_letters (resolved_at) where resolved_at is not null;

-- What people did, to what, why. Written in the transaction of what was done.
create table operator_actions (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  operator text not null check (btrim(operator) <> ''),
  action text not null,
  consumer_group text,
  reason text,
  -- How many events it was done to, and how they were selected.
  events integer not null default 0,
  details jsonb not null default '{}'
);
create index operator_actions_at on operator_actions (at);

create table operator_action_events (
  action_id bigint not null references operator_actions (id) on delete cascade,
  consumer_group text not null,
  event_id uuid not null,
  replay_id text not null default '',
  -- What was changed, if anything: the payload before and after an edit.
  details jsonb,
  primary key (action_id, consumer_group, event_id, replay_id)
);
create index operator_action_events_event on operator_action_events (event_id);
