-- Letters are redriven, discarded and exported page by page, in the order of their events.
create index dead_letters_order on dead_letters (consumer_group, (coalesce(position, 0)), event_id, replay_id)
  where state in ('dead', 'redriving');
