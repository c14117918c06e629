import type { Dashboard } from './panel.ts';
import { graph, labels, stat } from './queries.ts';

/** What Redis holds, and what keeps it from getting smaller. */
export const redisAndRetention: Dashboard = {
  uid: 'event-bus-redis',
  title: 'Event bus: Redis and retention',
  rows: [
    [
      stat('Memory', 'Share of maxmemory; nothing where none is set', 'max(redis_memory_usage)', {
        unit: 'percentunit',
        alarmAt: 0.8,
      }),
      stat(
        'Archive overdue',
        'How long past its hot window the oldest entry is that is not archived',
        'max(bus_archive_overdue_seconds)',
        {
          unit: 's',
          alarmAt: 21_600,
        },
      ),
      stat(
        'Trim blocked',
        'How long past its hot window the oldest entry is that a group has not acknowledged',
        'max(bus_retention_blocked_seconds)',
        {
          unit: 's',
          alarmAt: 3_600,
        },
      ),
      stat('Groups missing', 'Registered, and not known to Redis', 'sum(redis_consumer_missing)', {
        alarmAt: 1,
      }),
    ],
    [
      graph('Memory', 'Used by Redis', [{ expr: 'redis_memory_used_bytes', legend: '{{instance}}' }], {
        unit: 'bytes',
      }),
      graph('Commands', 'Per second', [{ expr: 'redis_ops_per_sec', legend: '{{instance}}' }], {
        unit: 'ops',
      }),
      graph(
        'Replicas',
        'Seconds since a replica was heard of',
        [{ expr: 'redis_replication_lag', legend: '{{replica}}' }],
        {
          unit: 's',
          alarmAt: 5,
        },
      ),
    ],
    [
      graph('Stream length', 'Entries; those that all groups have handled stay for the hot window', [
        { expr: 'redis_stream_length', legend: labels.stream },
      ]),
      graph(
        'Archive overdue',
        'Since the oldest entry that is not archived left the hot window',
        [{ expr: 'bus_archive_overdue_seconds', legend: labels.stream }],
        { unit: 's', alarmAt: 21_600 },
      ),
      graph(
        'Who blocks the trim',
        'Since the oldest entry that a group has not acknowledged left the hot window',
        [{ expr: 'bus_retention_blocked_seconds > 0', legend: labels.both }],
        { unit: 's', alarmAt: 3_600 },
      ),
    ],
    [
      graph('Partitions that cannot be dropped', 'Old ones of outboxes and inboxes, and what holds them', [
        { expr: 'bus_outbox_prune_blocked > 0', legend: 'outbox {{bus_source}}: {{bus_reason}}' },
        { expr: 'bus_inbox_prune_blocked > 0', legend: 'inbox of {{instance}}: {{bus_reason}}' },
      ]),
      graph('Replays that do not get on', 'Not taken up by a replayer, or failed', [
        { expr: 'bus_replays_queued > 0', legend: `waits: ${labels.group}` },
        { expr: 'bus_replays_failed > 0', legend: `failed: ${labels.group}` },
      ]),
    ],
    [
      graph(
        'Looking through pending lists',
        'One sweep of the dlq-mover, on average',
        [
          {
            expr: 'sum(rate(bus_dead_letters_sweep_duration_sum[$__rate_interval])) / sum(rate(bus_dead_letters_sweep_duration_count[$__rate_interval]))',
            legend: 'sweep',
          },
        ],
        { unit: 's' },
      ),
      graph('Consumers', 'Names that groups have in Redis', [
        { expr: 'redis_consumer_consumers', legend: labels.both },
      ]),
      graph('Lag unknown', '1 where Redis cannot tell how many entries a group has in front of it', [
        { expr: 'redis_consumer_lag_unknown', legend: labels.both },
      ]),
    ],
  ],
};
