-- The same as before for less. Setting the search path for the time of a function is paid for with every event; so is
-- each part of each expression in it, which plpgsql prepares anew in every transaction.
--
-- So this one, which runs as its owner in the sessions of producers, depends on no search path: every function, operator
-- and type in it is named with its schema, or is a keyword. IS DISTINCT FROM and BETWEEN are not. An operator who
-- replaces outbox_max_payload_bytes() has to hold to that, too: a plain number does.

create or replace function outbox_before_insert() returns trigger
  language plpgsql security definer
as $$
declare
  payload_bytes integer := pg_catalog.octet_length(new.payload::pg_catalog.text);
begin
  if new.aggregate_type operator(pg_catalog.!~) '^[a-z][a-z0-9_.-]*$'
    or new.event_type operator(pg_catalog.!~) '^[a-z][a-z0-9_.-]*$'
    -- The empty text is the least of all.
    or least(
      pg_catalog.btrim(new.aggregate_id, public.outbox_blanks()),
      pg_catalog.btrim(new.tenant_id, public.outbox_blanks()),
      pg_catalog.btrim(new.actor_id, public.outbox_blanks())
    ) operator(pg_catalog.=) ''
    or greatest(
      pg_catalog.octet_length(new.aggregate_type),
      pg_catalog.octet_length(new.event_type),
      pg_catalog.octet_length(new.aggregate_id),
      pg_catalog.octet_length(new.tenant_id),
      pg_catalog.octet_length(new.actor_id)
    ) operator(pg_catalog.>) 512
    or new.event_version operator(pg_catalog.<) 1
    or payload_bytes operator(pg_catalog.>) public.outbox_max_payload_bytes()
    or new.occurred_at operator(pg_catalog.<) timestamp with time zone '0001-01-01 00:00:00+00'
    or new.occurred_at operator(pg_catalog.>=) timestamp with time zone '10000-01-01 00:00:00+00'
    or new.inserted_at operator(pg_catalog.<) (pg_catalog.now() operator(pg_catalog.-) interval '1 hour')
    or not pg_catalog.isfinite(new.inserted_at)
  then
    perform public.outbox_refuse(new);
  end if;
  new.slot := pg_catalog.int2(pg_catalog.get_byte(pg_catalog.sha256(pg_catalog.convert_to(
    new.aggregate_type operator(pg_catalog.||) ':' operator(pg_catalog.||) new.aggregate_id, 'UTF8')), 0));
  new.bytes := payload_bytes operator(pg_catalog.+) pg_catalog.pg_column_size(new.headers);
  -- First the transaction ID, then the position. That order is what makes gaps decidable: whoever holds a position
  -- has an older transaction ID than anybody who finds that position missing.
  new.position := case
    when pg_catalog.pg_current_xact_id() is not null then pg_catalog.nextval('public.outbox_position')
  end;
  -- Wakes the publisher only if it sleeps: it holds this lock alone while asleep, and a NOTIFY on every insert
  -- would serialise the commits of all producers. The shared lock is kept until commit, so a publisher that got
  -- the lock and looked once more has missed nobody.
  if not pg_catalog.pg_try_advisory_xact_lock_shared(1869968482, 2) then
    -- PostgreSQL refuses to PREPARE a transaction that has notified: a producer that takes part in two-phase commits
    -- says `set local bus.wakeup = 'off'`, and the publisher finds its events at its next look, within a second.
    if coalesce(pg_catalog.current_setting('bus.wakeup', true), '') operator(pg_catalog.<>) 'off' then
      perform pg_catalog.pg_notify('outbox_wakeup', '');
    end if;
  end if;
  return new;
end
$$;
