-- How far each stream is archived and trimmed. It concerns the whole bus and stands here and not in Redis alone, because a
-- Redis that goes back in time forgets it: then nobody could tell what was trimmed from what was lost.

-- Entry IDs, inclusive: everything of the stream up to there is verified in the archive, and out of the stream.
create table stream_retention (
  stream text primary key,
  archived_to text check (archived_to ~ '^[0-9]+-[0-9]+$'),
  archived_at timestamptz,
  trimmed_to text check (trimmed_to ~ '^[0-9]+-[0-9]+$'),
  trimmed_at timestamptz
);

-- The same in terms of each outbox: its last event in the stream up to there. Entry IDs do not survive a rebuilt stream,
-- positions do: with them a publisher knows what not to publish again, and which partitions nobody needs any more.
create table stream_retention_sources (
  stream text not null references stream_retention,
  source text not null,
  archived_position bigint,
  archived_event_id text,
  trimmed_position bigint,
  trimmed_event_id text,
  primary key (stream, source)
);
