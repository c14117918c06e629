-- Which batch an event was written in. By what a batch spans, from its first to its last position, since an index over the
-- ranges themselves takes 25 times as long to build and twice as long to insert into; a batch that fills gaps late spans
-- more than it holds, so whoever looks asks for both.
create index outbox_batches_span on outbox_batches using gist (range_merge(positions));

create or replace function outbox_disposable(streams text[], numbers bigint[], lowest bigint, highest bigint)
  returns int8multirange
  language sql stable
as $$
  select coalesce(range_agg(r), '{}')
  from unnest(streams, numbers) d(stream, number)
  join outbox_batches b on b.stream = d.stream and b.number <= d.number
  cross join lateral unnest(b.positions) r
  where range_merge(b.positions) && int8range(lowest, highest, '[]') and b.positions && int8range(lowest, highest, '[]')
$$;
