-- The inbox: one row per event and group, committed together with the handler's writes.

create table inbox_events (
  consumer_group text not null,
  event_id uuid not null,
  replay_id text not null default '',
  occurred_at timestamptz not null,
  outcome text not null check (outcome in ('done', 'skipped', 'dead', 'discarded')),
  reason text,
  stream text not null,
  stream_id text not null,
  attempt integer not null,
  processed_at timestamptz not null default clock_timestamp(),
  primary key (consumer_group, event_id, replay_id, occurred_at)
) partition by range (occurred_at);

-- Events may be imported with any date.
create table inbox_events_default partition of inbox_events default;

-- Ordered groups: the position handled last, per aggregate. A lower one that is no duplicate is an inversion.
create table inbox_positions (
  consumer_group text not null,
  source text not null,
  aggregate_type text not null,
  aggregate_id text not null,
  position bigint not null,
  primary key (consumer_group, aggregate_type, aggregate_id, source)
);

-- Ordered groups: who may handle a stream. `token` grows with each holder and is checked in every handler's
-- transaction, so that one that lost its lease can never commit after its successor.
create table inbox_leases (
  consumer_group text not null,
  stream text not null,
  token bigint not null,
  holder text not null,
  expires_at timestamptz not null,
  primary key (consumer_group, stream)
);
