-- Mends an outbox whose sequence was set back: events that were appended after `since` at positions up to the published
-- one, where no publisher looks, are taken out and appended again, in their order. They come behind what was appended
-- in the meantime, also of the same aggregate. Returns how many.
create function outbox_append_again(since timestamptz) returns bigint
  language plpgsql
as $$
declare
  published bigint := (select position from outbox_cursor);
  appended bigint;
begin
  if (select last_value from outbox_position) < published then
    perform setval('outbox_position', published);
  end if;
  with misplaced as (
    delete from outbox_events where position <= published and inserted_at > since returning *
  ), again as (
    insert into outbox_events (
      event_id, aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers, occurred_at)
    select event_id, aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers, occurred_at
    from misplaced order by position
    returning 1
  )
  select count(*) into appended from again;
  return appended;
end
$$;
