-- Attaching a partition makes PostgreSQL scan the default one, and keeps writers and readers away from it meanwhile,
-- unless a constraint says that it holds no row of the new partition. Where the default partition is not small, such a
-- constraint is set first and validated, which blocks nobody. Each step is a transaction of its own:
--
--     bus_guard_partitions      sets the constraints, unvalidated, for days that have no partition and no rows yet
--     bus_validate_guards       validates them
--     bus_ensure_partitions     attaches, and removes them
--
-- While a constraint stands, the default partition refuses rows of its day. So only days from the one after tomorrow
-- on are guarded: whoever dies between two steps leaves a day or more for somebody to call bus_ensure_partitions,
-- which removes what was left. Today's and tomorrow's rows go to the default partition.

-- What a partition of this table is made by.
create function bus_partition_column(parent name) returns name
  language sql stable
  return (
    select a.attname from pg_partitioned_table p
    join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = parent::regclass
  );

create function bus_default_partition(parent name) returns regclass
  language sql stable
  return (select partdefid::regclass from pg_partitioned_table where partrelid = parent::regclass);

create function bus_partition_name(parent name, day date) returns name
  language sql stable
  return format('%s_p%s', parent, to_char(day, 'YYYYMMDD'));

-- The constraint that says that the default partition holds no row of this day.
create function bus_guard_name(parent name, day date) returns name
  language sql stable
  return format('%s_lacks_%s', parent, to_char(day, 'YYYYMMDD'));

-- So small that a scan of it goes unnoticed.
create function bus_is_small(partition regclass) returns boolean
  language sql volatile
  return pg_relation_size(partition) <= 1048576;

create function bus_guard_partitions(parent name, days integer) returns integer
  language plpgsql
  set lock_timeout = '100ms'
  set timezone = 'UTC'
as $$
declare
  rest regclass := bus_default_partition(parent);
  by_column name := bus_partition_column(parent);
  day date;
  is_taken boolean;
  guards text[] := '{}';
begin
  if bus_is_small(rest) then
    return 0;
  end if;
  perform pg_advisory_xact_lock(1869968482, 3);
  for day in select current_date + n from generate_series(2, days) n loop
    continue when to_regclass(bus_partition_name(parent, day)) is not null;
    execute format('select exists (select from %s where %I >= %L and %I < %L)', rest, by_column, day, by_column, day + 1)
      into is_taken;
    continue when is_taken;
    guards := guards || format('add constraint %I check (%I < %L or %I >= %L) not valid',
      bus_guard_name(parent, day), by_column, day::timestamptz, by_column, (day + 1)::timestamptz);
  end loop;
  if cardinality(guards) > 0 then
    execute format('alter table %s %s', rest, array_to_string(guards, ', '));
  end if;
  return cardinality(guards);
exception
  when lock_not_available or deadlock_detected or duplicate_object then
    raise notice 'partitions of % are not made now: %', parent, sqlerrm;
    return 0;
end
$$;

create function bus_validate_guards(parent name) returns void
  language plpgsql
as $$
declare
  rest regclass := bus_default_partition(parent);
  guard name;
begin
  for guard in select conname from pg_constraint
    where conrelid = rest and starts_with(conname, parent || '_lacks_') and not convalidated
  loop
    begin
      execute format('alter table %s validate constraint %I', rest, guard);
    exception
      when check_violation or undefined_object then
        raise notice 'partitions of % are not made now: %', parent, sqlerrm;
    end;
  end loop;
end
$$;

-- Daily partitions (UTC) of a table that is partitioned by a timestamp, from today to `days` ahead: those that can be
-- attached without a scan that anybody would notice. They are made apart and attached; a lock that is not to be had
-- at once is left for the next call, and so is a day whose rows already stand in the default partition.
create or replace function bus_ensure_partitions(parent name, days integer) returns integer
  language plpgsql
  set lock_timeout = '100ms'
  set timezone = 'UTC'
as $$
declare
  rest regclass := bus_default_partition(parent);
  is_small boolean := bus_is_small(rest);
  day date;
  partition name;
  guard name;
  made integer := 0;
begin
  perform pg_advisory_xact_lock(1869968482, 3);
  for day in select current_date + n from generate_series(0, days) n loop
    partition := bus_partition_name(parent, day);
    continue when to_regclass(partition) is not null or not (is_small or exists (
      select from pg_constraint
      where conrelid = rest and conname = bus_guard_name(parent, day) and convalidated));
    begin
      execute format('create table %I (like %I including defaults including constraints)', partition, parent);
      execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, partition, day, day + 1);
      made := made + 1;
    exception
      when check_violation then
        raise notice 'partition % is not made: %', partition, sqlerrm;
      when lock_not_available or deadlock_detected then
        -- Whoever holds it keeps it from the next day's as well, and others wait behind every attempt.
        raise notice 'partition % is not made now: %', partition, sqlerrm;
        exit;
    end;
  end loop;
  for guard in select conname from pg_constraint
    where conrelid = rest and starts_with(conname, parent || '_lacks_')
  loop
    begin
      execute format('alter table %s drop constraint %I', rest, guard);
    exception
      when lock_not_available or deadlock_detected then
        raise notice 'constraint % is not removed now: %', guard, sqlerrm;
    end;
  end loop;
  return made;
end
$$;
