-- A clock that is set back must not prolong leases: the holder of one may be dead, and nobody could take its stream over
-- until the clock gets there again. A lease knows for how long it was granted, and whoever asks for one that lasts longer
-- than that from now on shortens it. A holder that lives renews it long before it ends.

alter table inbox_leases add column ttl interval;

create or replace function inbox_acquire_lease(lease_group text, lease_stream text, lease_holder text, lease_ttl interval)
  returns bigint
  language plpgsql volatile
as $$
declare
  granted bigint;
begin
  update inbox_leases set expires_at = clock_timestamp() + ttl
    where consumer_group = lease_group and stream = lease_stream and expires_at > clock_timestamp() + ttl;
  -- Asked often and mostly in vain: waits for nobody then.
  if exists (
    select from inbox_leases
    where consumer_group = lease_group and stream = lease_stream
      and holder <> lease_holder and expires_at > clock_timestamp()
  ) then
    return null;
  end if;
  perform pg_advisory_xact_lock(inbox_lease_key(lease_group, lease_stream));
  insert into inbox_leases as held (consumer_group, stream, token, holder, expires_at, ttl)
    values (lease_group, lease_stream, 1, lease_holder, clock_timestamp() + lease_ttl, lease_ttl)
    on conflict (consumer_group, stream) do update
      set token = held.token + 1, holder = excluded.holder, expires_at = excluded.expires_at, ttl = excluded.ttl
      where held.holder = excluded.holder or held.expires_at <= clock_timestamp()
    returning token into granted;
  return granted;
end
$$;
