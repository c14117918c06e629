-- The outbox: an insert-only log that producers write in the transaction of their own data, and the
-- bookkeeping of the one publisher that carries it to Redis.

create sequence outbox_position as bigint cache 1;

create table outbox_events (
  position bigint not null,
  event_id uuid not null default gen_random_uuid(),
  aggregate_type text not null,
  aggregate_id text not null,
  event_type text not null,
  event_version integer not null default 1,
  tenant_id text not null,
  actor_id text not null,
  payload json not null,
  headers jsonb not null default '{}',
  occurred_at timestamptz not null default now(),
  inserted_at timestamptz not null default clock_timestamp(),
  slot smallint not null,
  primary key (position, inserted_at)
) partition by range (inserted_at);

create index outbox_events_event_id on outbox_events (event_id);

-- Catches what no daily partition covers, so that an insert never fails for want of one.
create table outbox_events_default partition of outbox_events default;

comment on column outbox_events.position is
  'Dense; drawn by the trigger after the aggregate''s lock and the transaction''s ID. Commit order within an aggregate.';
comment on column outbox_events.slot is
  'First byte of sha256(aggregate_type || '':'' || aggregate_id): chooses the partition of a topic.';

-- Largest payload a producer may insert, in bytes of its JSON text. An operator raises it with CREATE OR REPLACE.
create function outbox_max_payload_bytes() returns integer
  language sql immutable parallel safe
  return 262144;

-- Holds the writers of one aggregate apart until commit, so that positions are drawn in commit order.
-- For producers in plain SQL: call it before the insert. Other aggregates never wait.
create function outbox_lock(aggregate_type text, aggregate_id text) returns void
  language sql volatile
  begin atomic
    select pg_advisory_xact_lock(hashtextextended(aggregate_type || ':' || aggregate_id, 0));
  end;

-- What consumers in JavaScript take for white space: an ID of nothing else is blank.
create function outbox_blanks() returns text
  language sql immutable parallel safe
  return E' \t\n\r\f\v\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff';

-- Says what is wrong with an event that outbox_before_insert refuses.
create function outbox_refuse(event outbox_events) returns void
  language plpgsql set search_path = pg_catalog, public, pg_temp
as $$
declare
  fault record;
begin
  select f.column_name, f.message into fault
  from (values
    ('aggregate_type', event.aggregate_type !~ '^[a-z][a-z0-9_.-]*$',
      format('aggregate_type %L must match ^[a-z][a-z0-9_.-]*$', event.aggregate_type)),
    ('event_type', event.event_type !~ '^[a-z][a-z0-9_.-]*$',
      format('event_type %L must match ^[a-z][a-z0-9_.-]*$', event.event_type)),
    ('aggregate_id', btrim(event.aggregate_id, outbox_blanks()) = '', 'aggregate_id must not be empty'),
    ('tenant_id', btrim(event.tenant_id, outbox_blanks()) = '', 'tenant_id must not be empty: every event belongs to a tenant'),
    ('actor_id', btrim(event.actor_id, outbox_blanks()) = '', 'actor_id must not be empty: every event names who caused it'),
    ('aggregate_type', octet_length(event.aggregate_type) > 512, 'aggregate_type must not have more than 512 bytes'),
    ('event_type', octet_length(event.event_type) > 512, 'event_type must not have more than 512 bytes'),
    ('aggregate_id', octet_length(event.aggregate_id) > 512, 'aggregate_id must not have more than 512 bytes'),
    ('tenant_id', octet_length(event.tenant_id) > 512, 'tenant_id must not have more than 512 bytes'),
    ('actor_id', octet_length(event.actor_id) > 512, 'actor_id must not have more than 512 bytes'),
    ('occurred_at', event.occurred_at < timestamptz '0001-01-01 00:00:00+00' or event.occurred_at >= timestamptz '10000-01-01 00:00:00+00',
      format('occurred_at %s must lie in the years 1 to 9999', event.occurred_at)),
    ('event_version', event.event_version < 1, format('event_version %s must be 1 or more', event.event_version)),
    ('payload', octet_length(event.payload::text) > outbox_max_payload_bytes(),
      format('payload has %s bytes, more than the %s allowed: store the data elsewhere and send a reference, or raise outbox_max_payload_bytes()',
        octet_length(event.payload::text), outbox_max_payload_bytes())),
    ('inserted_at', event.inserted_at < now() - interval '1 hour' or not isfinite(event.inserted_at),
      'inserted_at is set by the outbox; use occurred_at for when the event happened')
  ) f(column_name, is_fault, message)
  where f.is_fault limit 1;
  raise exception using errcode = 'check_violation', table = 'outbox_events', column = fault.column_name,
    message = fault.message;
end
$$;

-- Everything an insert does beyond its row. Each expression is one that plpgsql evaluates without a query of its
-- own: this runs in every producer's transaction.
create function outbox_before_insert() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  if new.aggregate_type !~ '^[a-z][a-z0-9_.-]*$' or new.event_type !~ '^[a-z][a-z0-9_.-]*$'
    or btrim(new.aggregate_id, outbox_blanks()) = '' or btrim(new.tenant_id, outbox_blanks()) = ''
    or btrim(new.actor_id, outbox_blanks()) = ''
    or octet_length(new.aggregate_type) > 512 or octet_length(new.event_type) > 512
    or octet_length(new.aggregate_id) > 512 or octet_length(new.tenant_id) > 512 or octet_length(new.actor_id) > 512
    or new.event_version < 1 or octet_length(new.payload::text) > outbox_max_payload_bytes()
    or new.occurred_at < timestamptz '0001-01-01 00:00:00+00' or new.occurred_at >= timestamptz '10000-01-01 00:00:00+00'
    or new.inserted_at < now() - interval '1 hour' or not isfinite(new.inserted_at)
  then
    perform outbox_refuse(new);
  end if;
  new.slot := get_byte(sha256(convert_to(new.aggregate_type || ':' || new.aggregate_id, 'UTF8')), 0);
  -- First the transaction ID, then the position. That order is what makes gaps decidable: whoever holds a position
  -- has an older transaction ID than anybody who finds that position missing.
  new.position := case when pg_current_xact_id() is not null then nextval('public.outbox_position') end;
  -- Wakes the publisher only if it sleeps: it holds this lock alone while asleep, and a NOTIFY on every insert
  -- would serialise the commits of all producers. The shared lock is kept until commit, so a publisher that got
  -- the lock and looked once more has missed nobody.
  -- PostgreSQL refuses to PREPARE a transaction that has notified: a producer that takes part in two-phase commits
  -- says `set local bus.wakeup = 'off'`, and the publisher finds its events at its next look, within a second.
  if not pg_try_advisory_xact_lock_shared(1869968482, 2)
    and current_setting('bus.wakeup', true) is distinct from 'off'
  then
    perform pg_notify('outbox_wakeup', '');
  end if;
  return new;
end
$$;

create trigger outbox_before_insert before insert on outbox_events
  for each row execute function outbox_before_insert();

create function outbox_refuse_change() returns trigger language plpgsql
as $$
begin
  raise exception using errcode = 'restrict_violation', table = 'outbox_events',
    message = 'outbox_events is an insert-only log: rows are never updated, and old ones go with their partition';
end
$$;

create trigger outbox_refuse_update before update on outbox_events
  for each statement execute function outbox_refuse_change();

-- Lets a role insert events, and nothing else.
create function outbox_grant_producer(producer name) returns void language plpgsql
as $$
begin
  execute format(
    'grant insert (event_id, aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers, occurred_at) on outbox_events to %I',
    producer);
end
$$;

-- How far the log is published. One row; `epoch` fences publishers that were replaced without noticing.
create table outbox_cursor (
  singleton boolean primary key default true check (singleton),
  source text,
  position bigint not null default 0,
  epoch bigint not null default 0,
  leader text,
  led_since timestamptz
);
insert into outbox_cursor default values;

-- Positions below the cursor that were not visible when it passed them: their transaction was open or was
-- rolled back. `xid` was assigned after the snapshot that missed them.
create table outbox_gaps (
  first bigint primary key,
  last bigint not null check (last >= first),
  xid xid8 not null,
  system_identifier bigint not null,
  noted_at timestamptz not null default clock_timestamp()
);

-- What was written to which stream, in which order. A reconcile that writes a batch again updates its row in
-- place and keeps its number.
create table outbox_batches (
  stream text not null,
  number bigint not null,
  positions int8multirange not null,
  events integer not null,
  last_id text not null,
  last_event_id uuid not null,
  written_at timestamptz not null default clock_timestamp(),
  primary key (stream, number)
);

-- Events that could not be written, and those of their aggregate that wait behind them.
create table outbox_parked (
  position bigint primary key,
  event_id uuid not null,
  aggregate_type text not null,
  aggregate_id text not null,
  reason text not null,
  behind uuid,
  parked_at timestamptz not null default clock_timestamp(),
  retry_requested_at timestamptz
);
create index outbox_parked_event_id on outbox_parked (event_id);
create index outbox_parked_aggregate on outbox_parked (aggregate_type, aggregate_id, position);
create index outbox_parked_retry on outbox_parked (position) where retry_requested_at is not null;

create view outbox_status as
  select
    e.position, e.event_id, e.aggregate_type, e.aggregate_id, e.event_type, e.tenant_id, e.inserted_at,
    case
      when p.position is not null then 'parked'
      when e.position > c.position then 'pending'
      when exists (select from outbox_gaps g where e.position between g.first and g.last) then 'pending'
      else 'published'
    end as status,
    p.reason
  from outbox_events e
  cross join outbox_cursor c
  left join outbox_parked p on p.position = e.position;
