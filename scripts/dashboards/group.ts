import type { Dashboard } from './panel.ts';
import { graph, labels, perSecond, quantiles, stat } from './queries.ts';

const where = '{messaging_consumer_group_name="$group"}';

/** Why one group is behind. */
export const group: Dashboard = {
  uid: 'event-bus-group',
  title: 'Event bus: one group',
  variables: { group: { label: 'messaging_consumer_group_name', metric: 'bus_group_runners' } },
  rows: [
    [
      stat('Runners', 'That were heard of within 30 s', `sum(bus_group_runners${where})`),
      stat('Circuits open', 'Runners that have paused', `sum(bus_group_circuits_open${where})`, {
        alarmAt: 1,
      }),
      stat('Paused', '1 while an operator has paused it', `max(bus_group_paused${where})`, { alarmAt: 1 }),
      stat('Dead letters', 'That wait for somebody', `sum(bus_dead_letters${where})`, { alarmAt: 1 }),
      stat(
        'Redriving',
        'Dead letters that are to be handled again',
        `sum(bus_dead_letters_redriving${where})`,
      ),
      stat(
        'Untouched',
        'How long nobody has touched the oldest pending entry',
        `max(redis_consumer_oldest_pending_idle_seconds${where})`,
        {
          unit: 's',
          alarmAt: 300,
        },
      ),
    ],
    [
      graph('Lag', 'Entries that it was not handed yet, by stream', [
        { expr: `redis_consumer_lag${where}`, legend: labels.stream },
      ]),
      graph(
        'Lag in time',
        'Age of the oldest of them',
        [{ expr: `redis_consumer_lag_seconds${where}`, legend: labels.stream }],
        {
          unit: 's',
          alarmAt: 300,
        },
      ),
      graph(
        'Pending and held',
        'Entries handed out and not acknowledged, and those in the hands of runners',
        [
          { expr: `redis_consumer_pending${where}`, legend: `pending on ${labels.stream}` },
          { expr: `sum(bus_consumer_held${where})`, legend: 'held' },
        ],
      ),
    ],
    [
      graph(
        'Outcomes',
        'Events per second, by what became of them',
        [
          {
            expr: perSecond('messaging_client_consumed_messages_total', { by: 'bus_outcome', where }),
            legend: '{{bus_outcome}}',
          },
        ],
        { unit: 'ops' },
      ),
      graph(
        'Trouble',
        'Failed attempts, entries taken over, duplicates, per second',
        [
          {
            expr: perSecond('bus_consumer_failed_attempts_total', { by: 'bus_outcome', where }),
            legend: 'failed: {{bus_outcome}}',
          },
          { expr: `sum(rate(bus_consumer_claimed_total${where}[$__rate_interval]))`, legend: 'taken over' },
          {
            expr: `sum(rate(bus_consumer_duplicates_total${where}[$__rate_interval]))`,
            legend: 'duplicates',
          },
          { expr: `sum(rate(bus_dead_letters_moved_total${where}[$__rate_interval]))`, legend: 'given up' },
        ],
        { unit: 'ops' },
      ),
    ],
    [
      graph(
        'Handler',
        'One event in its handler, its transaction included',
        quantiles('messaging_process_duration', where),
        { unit: 's' },
      ),
      graph(
        'Stream to commit',
        'Since an event entered its stream',
        quantiles('bus_consumer_stream_delay', where),
        { unit: 's' },
      ),
      graph('End to end', 'Since an event happened', quantiles('bus_consumer_delay', where), {
        unit: 's',
        alarmAt: 5,
      }),
      graph('Attempts and batches', 'Attempts per event, and events per transaction', [
        ...quantiles('bus_consumer_attempts', where).map((query) => ({
          ...query,
          legend: `attempts: ${query.legend}`,
        })),
        ...quantiles('bus_consumer_batch_size', where).map((query) => ({
          ...query,
          legend: `batch: ${query.legend}`,
        })),
      ]),
    ],
    [
      graph('Connections', 'Of the pools of all runners, by state', [
        {
          expr: 'sum by (db_client_connection_pool_name, db_client_connection_state) (db_client_connection_count{service!~"outbox-publisher|dlq-mover|bus-monitor"})',
          legend: '{{db_client_connection_pool_name}} {{db_client_connection_state}}',
        },
      ]),
      graph('Waiting for a connection', 'A pool that is too small shows here', [
        {
          expr: 'sum by (db_client_connection_pool_name) (db_client_connection_pending_requests)',
          legend: '{{db_client_connection_pool_name}}',
        },
      ]),
    ],
  ],
};
