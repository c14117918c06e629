-- The event of the entry `archived_to`. Entry IDs can be handed out twice after a failover: an entry that stands under
-- this ID with another event says that the stream went back in time, and that the archive does not have what stands there.
alter table stream_retention add column archived_event_id text;
