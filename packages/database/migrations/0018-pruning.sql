-- Old partitions go. First one is emptied, which needs no lock but its own and so keeps no producer and no handler waiting,
-- however long their transactions last; then the empty shell is dropped, which needs one on the whole table for a moment.
-- Who is killed in between leaves an empty partition, and the next look drops it.

-- All but the default one, oldest first.
create function bus_partitions(parent name)
  returns table (partition name, starts_at timestamptz, ends_at timestamptz)
  language sql stable
  set timezone = 'UTC'
as $$
  select p.relname, (bounds[1])::timestamptz, (bounds[2])::timestamptz
  from pg_inherits i join pg_class p on p.oid = i.inhrelid
  cross join regexp_match(pg_get_expr(p.relpartbound, p.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') bounds
  where i.inhparent = parent::regclass and bounds is not null
  order by 2
$$;

-- Who has held a lock on one of these tables for longer than a moment: whoever waits for him keeps others waiting.
create function bus_long_holder(relations regclass[]) returns text
  language sql volatile
as $$
  select case
    when a.pid is null then 'a prepared transaction holds a lock on it'
    else format('a transaction of %s (pid %s), open since %s, holds a lock on it',
      coalesce(nullif(a.application_name, ''), a.backend_type, 'somebody'), a.pid, date_trunc('second', a.xact_start))
  end
  from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'relation' and l.granted and l.relation = any(relations)
    and l.database = (select oid from pg_database where datname = current_database())
    and l.pid is distinct from pg_backend_pid()
    and (a.pid is null or a.xact_start < clock_timestamp() - interval '1 second')
  order by a.xact_start nulls first limit 1
$$;

-- What is proved under a lock has to be looked at after it was had.
create function bus_assert_read_committed() returns void
  language plpgsql
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'partitions are pruned under read committed only, and this is %', current_setting('transaction_isolation');
  end if;
end
$$;

-- Drops a partition that is empty. Returns why not, or null.
create function bus_drop_empty_partition(parent name, partition name) returns text
  language plpgsql
  set lock_timeout = '100ms'
as $$
declare
  rest regclass := bus_default_partition(parent);
  is_taken boolean;
  holder text;
begin
  holder := bus_long_holder(array[parent::regclass, partition::regclass, rest]);
  if partition::regclass = rest then
    return 'it is the default one';
  end if;
  if holder is not null then
    return holder;
  end if;
  perform bus_assert_read_committed();
  perform pg_advisory_xact_lock(1869968482, 3);
  -- The one that all wait behind comes last.
  execute format('lock table only %I in access exclusive mode', partition);
  execute format('select exists (select from only %I)', partition) into is_taken;
  if is_taken then
    return 'it is not empty';
  end if;
  execute format('lock table only %s in access exclusive mode', rest);
  execute format('lock table only %I in access exclusive mode', parent);
  execute format('drop table %I', partition);
  return null;
exception
  when lock_not_available or deadlock_detected then
    return 'a lock was not to be had within 100 ms';
  when undefined_table then
    return null;
end
$$;

-- The outbox.

-- Batches up to this number were settled by every group of their stream, at some time.
create table outbox_settled (
  stream text primary key,
  number bigint not null
);

-- The positions, between two, of batches that nobody needs from the log any more: per stream those up to a number.
create function outbox_disposable(streams text[], numbers bigint[], lowest bigint, highest bigint) returns int8multirange
  language sql stable
as $$
  select coalesce(range_agg(r), '{}')
  from unnest(streams, numbers) d(stream, number)
  join outbox_batches b on b.stream = d.stream and b.number <= d.number
  cross join lateral unnest(b.positions) r
  where b.positions && int8range(lowest, highest, '[]')
$$;

-- Why the log has to keep an event.
create function outbox_why_kept(
  kept_position bigint, kept_event uuid, streams text[], numbers bigint[], reasons text[], out kind text, out reason text)
  language plpgsql stable
as $$
declare
  named text := format('event %s at position %s', kept_event, kept_position);
  found record;
begin
  select p.reason into found from outbox_parked p where p.position = kept_position;
  if found is not null then
    kind := 'parked';
    reason := format('%s is parked: %s', named, found.reason);
    return;
  end if;
  if kept_position > (select c.position from outbox_cursor c)
    or exists (select from outbox_gaps g where kept_position between g.first and g.last)
  then
    kind := 'unpublished';
    reason := format('%s is not published yet', named);
    return;
  end if;
  select b.stream, d.reason into found
  from outbox_batches b left join unnest(streams, numbers, reasons) d(stream, number, reason) using (stream)
  where b.positions @> kept_position order by b.number desc limit 1;
  if found.stream is null then
    kind := 'unrecorded';
    reason := format('%s stands in no recorded batch: nothing proves that it was written', named);
  else
    kind := 'unsettled';
    reason := format('%s in %s is neither archived nor settled by every group: %s',
      named, found.stream, coalesce(found.reason, 'nothing is known of this stream'));
  end if;
end
$$;

-- What keeps a partition of the outbox: the first event in it that is in no batch which nobody needs any more. Nulls if there
-- is none.
create function outbox_explain_partition(
  partition name, streams text[], numbers bigint[], reasons text[], out kind text, out reason text)
  language plpgsql
as $$
declare
  lowest bigint;
  highest bigint;
  kept record;
begin
  execute format('select min(position), max(position) from only %I', partition) into lowest, highest;
  execute format('select e.position, e.event_id from only %I e where not $1 @> e.position order by e.position limit 1', partition)
    into kept using outbox_disposable(streams, numbers, lowest, highest);
  if kept.position is not null then
    select * into kind, reason from outbox_why_kept(kept.position, kept.event_id, streams, numbers, reasons);
  end if;
end
$$;

-- Empties a partition of the outbox, if nothing keeps it. The lock waits for every transaction that has inserted into it,
-- whenever that began, so no row is there that the proof does not see. Returns why not, or nulls.
create function outbox_empty_partition(
  partition name, streams text[], numbers bigint[], reasons text[], out kind text, out reason text)
  language plpgsql
  set lock_timeout = '100ms'
as $$
begin
  reason := bus_long_holder(array[partition::regclass]);
  if reason is not null then
    kind := 'lock';
    return;
  end if;
  perform bus_assert_read_committed();
  perform pg_advisory_xact_lock(1869968482, 3);
  execute format('lock table only %I in share mode', partition);
  select * into kind, reason from outbox_explain_partition(partition, streams, numbers, reasons);
  if kind is null then
    execute format('truncate table only %I', partition);
  end if;
exception
  when lock_not_available or deadlock_detected then
    kind := 'lock';
    reason := 'a lock was not to be had within 100 ms';
  when undefined_table then
    kind := null;
    reason := null;
end
$$;

-- The same for rows of the default partition that are older than that, at most `most` of them.
create function outbox_prune_default(
  older_than timestamptz, most integer, streams text[], numbers bigint[], reasons text[],
  out pruned integer, out kind text, out reason text)
  language plpgsql
as $$
declare
  rest regclass := bus_default_partition('outbox_events');
  lowest bigint;
  highest bigint;
  disposable int8multirange;
  kept record;
begin
  execute format('select min(position), max(position) from only %s where inserted_at < $1', rest)
    into lowest, highest using older_than;
  pruned := 0;
  if lowest is null then
    return;
  end if;
  disposable := outbox_disposable(streams, numbers, lowest, highest);
  execute format('delete from only %1$s where ctid = any(array(
      select ctid from only %1$s where inserted_at < $1 and $2 @> position limit $3))', rest)
    using older_than, disposable, most;
  get diagnostics pruned = row_count;
  execute format('select e.position, e.event_id from only %s e where inserted_at < $1 and not $2 @> position
    order by position limit 1', rest) into kept using older_than, disposable;
  if kept.position is not null then
    select w.kind, w.reason into kind, reason from outbox_why_kept(kept.position, kept.event_id, streams, numbers, reasons) w;
  end if;
end
$$;

-- What the log no longer has and never will again: everything up to a position, and all that was inserted before a time.
create function outbox_floor(out "position" bigint, out inserted_at timestamptz)
  language plpgsql stable
as $$
declare
  part record;
  is_taken boolean;
begin
  select least(c.position + 1, (select min(e.position) from outbox_events e), (select min(g.first) from outbox_gaps g),
      (select min(p.position) from outbox_parked p)) - 1
    into "position" from outbox_cursor c;
  execute format('select least(now(), min(inserted_at)) from only %s', bus_default_partition('outbox_events')) into inserted_at;
  for part in select p.partition, p.starts_at from bus_partitions('outbox_events') p where p.starts_at < inserted_at loop
    begin
      execute format('select exists (select from only %I)', part.partition) into is_taken;
    exception
      -- Another has just dropped it.
      when undefined_table then continue;
    end;
    if is_taken then
      inserted_at := part.starts_at;
      return;
    end if;
  end loop;
end
$$;

-- The inbox.

-- Live events of a source up to this position, of a stream, are settled by a group, whatever the inbox still knows: all that
-- was written of them was handed out and acknowledged when their inbox rows went. What comes again is a duplicate. Of a
-- stream that the group did not read then this says nothing: it may be read later, from its beginning.
create table inbox_floors (
  consumer_group text not null,
  stream text not null,
  source text not null,
  position bigint not null,
  primary key (consumer_group, stream, source)
);

-- What keeps a partition of the inbox: an event in it that was settled at that time or later, or that somebody has yet to
-- decide on. Nulls if there is none.
create function inbox_explain_partition(partition name, settled_before timestamptz, out kind text, out reason text)
  language plpgsql
as $$
declare
  newest timestamptz;
  letter record;
begin
  execute format('select max(processed_at) from only %I', partition) into newest;
  if newest >= settled_before then
    kind := 'young';
    reason := format('an event in it was settled at %s, and those since %s may come again',
      date_trunc('second', newest), date_trunc('second', settled_before));
    return;
  end if;
  select d.consumer_group, d.event_id, d.state into letter
  from bus_partitions('inbox_events') p
  join dead_letters d on d.occurred_at >= p.starts_at and d.occurred_at < p.ends_at
  where p.partition = inbox_explain_partition.partition and d.state in ('dead', 'redriving')
  order by d.dead_at limit 1;
  if found then
    kind := 'dead-letter';
    reason := format('event %s is a dead letter of group %s (%s)', letter.event_id, letter.consumer_group, letter.state);
  end if;
end
$$;

-- Empties a partition of the inbox, if nothing keeps it. Returns why not, or nulls.
create function inbox_empty_partition(partition name, settled_before timestamptz, out kind text, out reason text)
  language plpgsql
  set lock_timeout = '100ms'
as $$
begin
  reason := bus_long_holder(array[partition::regclass]);
  if reason is not null then
    kind := 'lock';
    return;
  end if;
  perform bus_assert_read_committed();
  perform pg_advisory_xact_lock(1869968482, 3);
  execute format('lock table only %I in share mode', partition);
  select * into kind, reason from inbox_explain_partition(partition, settled_before);
  if kind is null then
    execute format('truncate table only %I', partition);
  end if;
exception
  when lock_not_available or deadlock_detected then
    kind := 'lock';
    reason := 'a lock was not to be had within 100 ms';
  when undefined_table then
    kind := null;
    reason := null;
end
$$;

-- The same for rows of the default partition, at most `most` of them: events with odd dates, and replays of old ones.
create function inbox_prune_default(settled_before timestamptz, most integer) returns integer
  language plpgsql
as $$
declare
  rest regclass := bus_default_partition('inbox_events');
  pruned integer;
begin
  execute format('delete from only %1$s where ctid = any(array(
      select i.ctid from only %1$s i where i.processed_at < $1 and not exists (
        select from dead_letters d
        where d.consumer_group = i.consumer_group and d.event_id = i.event_id and d.replay_id = i.replay_id
          and d.state in (''dead'', ''redriving''))
      limit $2))', rest) using settled_before, most;
  get diagnostics pruned = row_count;
  return pruned;
end
$$;

-- The whole bus: how long its logs keep what. Each window ends where the one before it cannot reach any more.

create table outbox_windows (
  source text primary key,
  keep_ms bigint not null check (keep_ms > 0),
  seen_at timestamptz not null default clock_timestamp()
);

create table inbox_windows (
  consumer_group text primary key,
  keep_ms bigint not null check (keep_ms > 0),
  -- The longest that an event may wait in a stream, a pending list or as a dead letter.
  longest_wait_ms bigint not null check (longest_wait_ms > 0),
  seen_at timestamptz not null default clock_timestamp()
);

-- Since when an outbox lacks everything up to a position, and all that it was given before a time.
create table outbox_floors (
  source text not null,
  since timestamptz not null default clock_timestamp(),
  position bigint not null,
  inserted_at timestamptz not null,
  primary key (source, since)
);
