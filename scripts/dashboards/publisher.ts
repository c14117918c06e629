import type { Dashboard } from './panel.ts';
import { graph, labels, perSecond, quantiles, stat } from './queries.ts';

const where = '{bus_source="$source"}';

/** Whether events leave an outbox, and how fast. */
export const publisher: Dashboard = {
  uid: 'event-bus-publisher',
  title: 'Event bus: publisher',
  variables: { source: { label: 'bus_source', metric: 'bus_outbox_led' } },
  rows: [
    [
      stat('Led', '1 while a publisher leads the outbox', `max(bus_outbox_led${where})`),
      stat(
        'Pending',
        'Committed and not yet in a stream, counted up to 100000',
        `max(bus_outbox_pending${where})`,
      ),
      stat('Oldest', 'Age of the oldest of them', `max(bus_outbox_oldest_age_seconds${where})`, {
        unit: 's',
        alarmAt: 60,
      }),
      stat('Parked', 'Cannot be written, and what waits behind them', `max(bus_outbox_parked${where})`, {
        alarmAt: 1,
      }),
      stat(
        'Oldest gap',
        'How long a transaction that appends has been open',
        `max(bus_outbox_oldest_gap_age_seconds${where})`,
        {
          unit: 's',
          alarmAt: 900,
        },
      ),
    ],
    [
      graph(
        'Published',
        'Events per second',
        [
          {
            expr: perSecond('messaging_client_sent_messages_total', {
              by: 'messaging_destination_name',
              where,
            }),
            legend: labels.stream,
          },
        ],
        { unit: 'ops' },
      ),
      graph('Who leads', '1 in the process that publishes', [
        { expr: `bus_publisher_active${where}`, legend: '{{instance}}' },
      ]),
    ],
    [
      graph('Insert to stream', 'The oldest event of each batch', quantiles('bus_publisher_delay', where), {
        unit: 's',
      }),
      graph(
        'A batch',
        'From when it was formed until it is in its streams and recorded',
        quantiles('messaging_client_operation_duration', where),
        {
          unit: 's',
        },
      ),
      graph('Batch size', 'Events per batch and stream', quantiles('bus_publisher_batch_size', where)),
    ],
    [
      graph('Written again', 'Events that streams had lost, and batches that they refused, in five minutes', [
        {
          expr: `sum by (messaging_destination_name) (increase(bus_publisher_reconciled_total${where}[5m]))`,
          legend: `again: ${labels.stream}`,
        },
        { expr: `sum(increase(bus_publisher_refused_batches_total${where}[5m]))`, legend: 'refused' },
      ]),
      graph('Open gaps', 'Positions passed that may still be filled', [
        { expr: `bus_outbox_gaps${where}`, legend: '{{service}} {{instance}}' },
      ]),
    ],
  ],
};
