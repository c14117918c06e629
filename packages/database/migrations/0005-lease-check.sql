-- The fence of ordered groups. A transaction that handles an event calls inbox_assert_lease as its last statement
-- before COMMIT; whoever takes a lease over first waits for the transactions that passed it. So of two holders
-- the first can commit before the second begins, or not at all.
--
-- The two meet at an advisory lock and not at the lease's row: concurrent transactions that share a row lock
-- leave a multixact each, and a busy group would use them up faster than vacuum frees them.

create function inbox_lease_key(lease_group text, lease_stream text) returns bigint
  language sql immutable parallel safe
  return hashtextextended('inbox_lease:' || lease_group || ':' || lease_stream, 0);

-- Fails with LE001 unless the token is that of the present holder. A lease that expired and that nobody took
-- over still holds. Bounds the time until COMMIT, so that a process frozen in between keeps nobody waiting.
create function inbox_assert_lease(lease_group text, lease_stream text, lease_token bigint) returns void
  language plpgsql volatile
as $$
begin
  perform set_config('idle_in_transaction_session_timeout', '3s', true);
  perform pg_advisory_xact_lock_shared(inbox_lease_key(lease_group, lease_stream));
  -- A statement of its own: its snapshot is taken after the lock.
  if not exists (
    select from inbox_leases
    where consumer_group = lease_group and stream = lease_stream and token = lease_token
  ) then
    raise exception using errcode = 'LE001',
      message = format('the lease %s of group %s for %s has passed to another holder', lease_token, lease_group, lease_stream);
  end if;
end
$$;

-- The token of the new lease, or null while another holder's has not expired. A holder that asks again gets a
-- new token, which fences its own older transactions.
create function inbox_acquire_lease(lease_group text, lease_stream text, lease_holder text, lease_ttl interval)
  returns bigint
  language plpgsql volatile
as $$
declare
  granted bigint;
begin
  -- Asked often and mostly in vain: waits for nobody then.
  if exists (
    select from inbox_leases
    where consumer_group = lease_group and stream = lease_stream
      and holder <> lease_holder and expires_at > clock_timestamp()
  ) then
    return null;
  end if;
  perform pg_advisory_xact_lock(inbox_lease_key(lease_group, lease_stream));
  insert into inbox_leases as held (consumer_group, stream, token, holder, expires_at)
    values (lease_group, lease_stream, 1, lease_holder, clock_timestamp() + lease_ttl)
    on conflict (consumer_group, stream) do update
      set token = held.token + 1, holder = excluded.holder, expires_at = excluded.expires_at
      where held.holder = excluded.holder or held.expires_at <= clock_timestamp()
    returning token into granted;
  return granted;
end
$$;
