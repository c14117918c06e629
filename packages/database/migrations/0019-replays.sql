-- History brought to one group: what an operator asked for, and where a group that starts from the archive begins. It stands
-- here because the jobs in Redis that drive it can be lost, or go back in time.
create table replays (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('replay', 'history')),
  consumer_group text not null,
  -- null: all topics of the group.
  topic text,
  -- Events that occurred within these, both included; null: the range goes by entry IDs.
  occurred_from timestamptz,
  occurred_to timestamptz,
  event_type text,
  tenant_id text,
  aggregate_id text,
  -- Events per second.
  rate integer check (rate > 0),
  state text not null default 'queued'
    check (state in ('queued', 'running', 'paused', 'cancelled', 'done', 'failed')),
  -- Raised by whoever takes the replay over, and by operators who stop it: a lower one may not inject or note anything.
  token bigint not null default 0,
  error text,
  requested_by text not null,
  reason text,
  requested_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz
);
create unique index replays_history on replays (consumer_group) where kind = 'history';
create index replays_open on replays (requested_at) where state in ('queued', 'running');

create table replay_streams (
  replay_id uuid not null references replays (id) on delete cascade,
  stream text not null,
  -- Entry IDs: exclusive, and inclusive. A history ends where the stream begins, which is known only then.
  first_id text not null,
  last_id text,
  -- The last event of each source when the replay was asked for: by them the end is found again in a stream that was rebuilt.
  ends jsonb not null default '[]',
  injected_to text not null,
  -- Up to here everything is settled by the group: what Redis forgets is injected again from here on.
  handled_to text not null,
  scanned bigint not null default 0,
  injected bigint not null default 0,
  handled bigint not null default 0,
  is_done boolean not null default false,
  primary key (replay_id, stream)
);

alter table consumer_groups drop constraint consumer_groups_start_from_check;
alter table consumer_groups add constraint consumer_groups_start_from_check
  check (start_from in ('beginning', 'now', 'archive'));
