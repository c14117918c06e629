-- Which event types a group has handlers for, and since when: null = since it was registered first. Events of a type that
-- had no handler at the time were passed over and left no trace, and nobody could tell those from lost ones later.
alter table consumer_groups add column handled_events jsonb not null default '{}';

update consumer_groups set handled_events = coalesce((
  select jsonb_object_agg(type, 'null'::jsonb) from jsonb_array_elements_text(policy->'events') type
), '{}')
where jsonb_typeof(policy->'events') = 'array';
