-- Daily partitions (UTC) of a table that is partitioned by a timestamp, from today to `days` ahead.
--
-- They are made apart and attached, which blocks nobody who writes; a lock that is not to be had within half a
-- second is left for the next call. A day whose rows already stand in the default partition stays there.
create function bus_ensure_partitions(parent name, days integer) returns integer
  language plpgsql
  set lock_timeout = '500ms'
  set timezone = 'UTC'
as $$
declare
  day date;
  partition text;
  made integer := 0;
begin
  perform pg_advisory_xact_lock(1869968482, 3);
  for day in select current_date + n from generate_series(0, days) n loop
    partition := format('%s_p%s', parent, to_char(day, 'YYYYMMDD'));
    if to_regclass(partition) is null then
      begin
        execute format('create table %I (like %I including defaults including constraints)', partition, parent);
        execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, partition, day, day + 1);
        made := made + 1;
      exception
        when lock_not_available or check_violation or deadlock_detected then
          raise notice 'partition % is not made now: %', partition, sqlerrm;
      end;
    end if;
  end loop;
  return made;
end
$$;

select bus_ensure_partitions('outbox_events', 3);
select bus_ensure_partitions('inbox_events', 3);
