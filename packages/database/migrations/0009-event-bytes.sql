-- How large each event is, so that the publisher can bound what it reads by bytes without reading it.

alter table outbox_events add column bytes integer;
comment on column outbox_events.bytes is
  'Of the payload''s text, and of the headers as stored. Set by the trigger; null in rows from before there was the column.';

create or replace function outbox_before_insert() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  payload_bytes integer := octet_length(new.payload::text);
begin
  if new.aggregate_type !~ '^[a-z][a-z0-9_.-]*$' or new.event_type !~ '^[a-z][a-z0-9_.-]*$'
    or btrim(new.aggregate_id, outbox_blanks()) = '' or btrim(new.tenant_id, outbox_blanks()) = ''
    or btrim(new.actor_id, outbox_blanks()) = ''
    or octet_length(new.aggregate_type) > 512 or octet_length(new.event_type) > 512
    or octet_length(new.aggregate_id) > 512 or octet_length(new.tenant_id) > 512 or octet_length(new.actor_id) > 512
    or new.event_version < 1 or payload_bytes > outbox_max_payload_bytes()
    or new.occurred_at < timestamptz '0001-01-01 00:00:00+00' or new.occurred_at >= timestamptz '10000-01-01 00:00:00+00'
    or new.inserted_at < now() - interval '1 hour' or not isfinite(new.inserted_at)
  then
    perform outbox_refuse(new);
  end if;
  new.slot := get_byte(sha256(convert_to(new.aggregate_type || ':' || new.aggregate_id, 'UTF8')), 0);
  new.bytes := payload_bytes + pg_column_size(new.headers);
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
