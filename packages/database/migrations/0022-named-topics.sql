-- When a runner of the group named each of its topics last, by registering it or in a beat. Versions of a consumer that run
-- side by side may have different topics, and one that starts must not take from the group what another still reads.
alter table consumer_groups add column topics_named jsonb not null default '{}';

update consumer_groups set topics_named = coalesce((
  select jsonb_object_agg(topic, clock_timestamp()) from unnest(topics) topic
), '{}');
