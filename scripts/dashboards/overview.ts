import type { Dashboard } from './panel.ts';
import { graph, group, labels, perSecond, quantile, stat } from './queries.ts';

/** Is it healthy, and if not, where to look. */
export const overview: Dashboard = {
  uid: 'event-bus-overview',
  title: 'Event bus: overview',
  rows: [
    [
      stat(
        'Oldest unpublished',
        'Age of the oldest event that is not in a stream yet',
        'max(bus_outbox_oldest_age_seconds)',
        {
          unit: 's',
          alarmAt: 60,
        },
      ),
      stat(
        'Furthest behind',
        'Age of the oldest entry that some group was not handed yet',
        'max(redis_consumer_lag_seconds)',
        {
          unit: 's',
          alarmAt: 300,
        },
      ),
      stat('Dead letters', 'That wait for somebody, in all groups', 'sum(bus_dead_letters)', { alarmAt: 1 }),
      stat(
        'Circuits open',
        'Runners that have paused because handlers fail on many aggregates',
        'sum(bus_group_circuits_open)',
        {
          alarmAt: 1,
        },
      ),
      stat('Parked', 'Events that cannot be written, and those behind them', 'sum(bus_outbox_parked)', {
        alarmAt: 1,
      }),
      stat('Redis memory', 'Share of maxmemory', 'max(redis_memory_usage)', {
        unit: 'percentunit',
        alarmAt: 0.8,
      }),
      stat('Down', 'Processes that do not answer', 'count(up{job="event-bus"} == 0) or vector(0)', {
        alarmAt: 1,
      }),
      stat(
        'Not seen',
        'Servers that the monitor cannot ask, and streams that cannot be read',
        '(count(bus_monitor_reachable == 0) or vector(0)) + (count(redis_stream_unreadable == 1) or vector(0))',
        {
          alarmAt: 1,
        },
      ),
    ],
    [
      graph(
        'Published',
        'Events written to streams, per second',
        [
          {
            expr: perSecond('messaging_client_sent_messages_total', { by: 'messaging_destination_name' }),
            legend: labels.stream,
          },
        ],
        { unit: 'ops' },
      ),
      graph(
        'Handled',
        'Events handed to groups, per second, by what became of them',
        [
          {
            expr: perSecond('messaging_client_consumed_messages_total', { by: `${group}, bus_outcome` }),
            legend: `${labels.group} {{bus_outcome}}`,
          },
        ],
        { unit: 'ops' },
      ),
    ],
    [
      graph(
        'Insert to stream',
        '95 % of batches had their oldest event in its stream within',
        [
          {
            expr: quantile(0.95, 'bus_publisher_delay', { by: 'messaging_destination_name' }),
            legend: labels.stream,
          },
        ],
        { unit: 's' },
      ),
      graph(
        'Stream to commit',
        '95 % of events were handled, since they entered the stream, within',
        [{ expr: quantile(0.95, 'bus_consumer_stream_delay', { by: group }), legend: labels.group }],
        { unit: 's' },
      ),
      graph(
        'End to end',
        '95 % of events were handled, since they happened, within',
        [{ expr: quantile(0.95, 'bus_consumer_delay', { by: group }), legend: labels.group }],
        { unit: 's', alarmAt: 5 },
      ),
    ],
    [
      graph('Lag', 'Entries that groups were not handed yet; absent where Redis cannot tell', [
        { expr: 'redis_consumer_lag', legend: labels.both },
      ]),
      graph(
        'Lag in time',
        'Age of the oldest entry that a group was not handed yet',
        [{ expr: 'redis_consumer_lag_seconds', legend: labels.both }],
        { unit: 's', alarmAt: 300 },
      ),
      graph('Dead letters', 'That wait for somebody', [{ expr: 'bus_dead_letters', legend: labels.group }]),
    ],
  ],
};
