import { toMarkdown } from '../harness/table.ts';
import { assumptions } from './assumptions.ts';
import { loads } from './loads.ts';
import type { Measured } from './measured.ts';
import { limitsOf, planFor } from './plan.ts';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });
const amount = (value: number) => (value < 100 ? fine : whole).format(value);
const dollars = (value: number | undefined) => (value === undefined ? 'beyond' : `$${whole.format(value)}`);
const hours = (value: number) => (value >= 24 ? `${fine.format(value / 24)} d` : `${fine.format(value)} h`);

/** The tables of docs/scaling.md, by the name of their place in it. */
export function tablesOf(measured: Measured): ReadonlyMap<string, string> {
  const plans = loads.map((load) => planFor(load, measured));
  const columns = ['', ...loads.map(({ name }) => name)];
  const table = (rows: readonly (readonly [string, ...string[]])[]) => toMarkdown(columns, rows);
  const row = (name: string, of: (plan: (typeof plans)[number]) => string): [string, ...string[]] => [
    name,
    ...plans.map(of),
  ];
  const { publish, append, handleByEvent, handleByBatch, handleInOrder, handleInOrderByBatch } = measured;
  const cost = (name: string, { program, postgres, redis }: typeof publish) => [
    name,
    ...[program, postgres, redis].map((value) => fine.format(value)),
  ];

  return new Map([
    [
      'costs',
      [
        toMarkdown(
          ['CPU, us per event', 'process', 'PostgreSQL', 'Redis'],
          [
            cost('append, a transaction per event', append),
            cost('publish', publish),
            cost('handle, a transaction per event', handleByEvent),
            cost('the same in order', handleInOrder),
            cost("handle, `transaction: 'batch'`", handleByBatch),
            cost('the same in order', handleInOrderByBatch),
          ],
        ),
        '',
        `Measured on ${measured.machine}, ${measured.days.join(' and ')}: \`bench/results/latest.json\`.`,
      ].join('\n'),
    ],
    [
      'bytes',
      toMarkdown(
        [`of ${assumptions.dataBytes} bytes of data become`, 'bytes'],
        [
          ['a row in the outbox', String(assumptions.outboxBytes)],
          ['a row in the inbox, for each group', String(assumptions.inboxBytes)],
          ['WAL of the first, of the second', `${assumptions.outboxWalBytes}, ${assumptions.inboxWalBytes}`],
          ['an entry in Redis, with nodes of 4096 bytes', String(assumptions.redisBytes.usual)],
          ['an entry in Redis, with nodes of 16384 bytes', String(assumptions.redisBytes.largeNodes)],
          ['a line in the archive, compressed (assumed)', String(assumptions.archivedBytes)],
        ],
      ),
    ],
    [
      'limits',
      toMarkdown(
        ['one of these', 'events/s'],
        Object.entries(limitsOf(measured)).map(([name, most]) => [name, whole.format(roundDown(most))]),
      ),
    ],
    [
      'plans',
      table([
        row('peak, events/s', ({ load }) => whole.format(load.peak)),
        row('`retention.hot`', ({ load }) => hours(load.keep.hot)),
        row('`OUTBOX_KEEP`', ({ load }) => hours(load.keep.outbox)),
        row('`INBOX_KEEP`', ({ load }) => hours(load.keep.inbox)),
        row('publishers, one of them standing by', ({ workers }) => whole.format(workers.publishers)),
        row('runners of the group with a transaction per event', ({ workers }) =>
          whole.format(workers.runnersByEvent),
        ),
        row("runners of each `transaction: 'batch'` group", ({ workers }) =>
          whole.format(workers.runnersByBatch),
        ),
        row('other workers', ({ workers }) => whole.format(workers.others)),
        row('cores of all workers', ({ workerCores }) => amount(workerCores)),
        row('PostgreSQL: cores', ({ postgres }) => amount(postgres.cores)),
        row('PostgreSQL: writes/s', ({ postgres }) => amount(postgres.iops)),
        row('PostgreSQL: outbox, GiB', ({ postgres }) => amount(postgres.outboxGib)),
        row('PostgreSQL: inbox, GiB', ({ postgres }) => amount(postgres.inboxGib)),
        row('Redis: cores, of the one it can use', ({ redis }) => amount(redis.cores)),
        row('Redis: streams, GiB', ({ redis }) => amount(redis.gib)),
        row('the same with nodes of 4096 bytes', ({ redis }) => amount(redis.gibUsualNodes)),
        row('the same with seven days', ({ redis }) => amount(redis.gibOfSevenDays)),
        row('an hour of a group that stands still adds, GiB', ({ redis }) => amount(redis.gibPerIdleHour)),
        row('buses side by side, each with a Redis', ({ redis }) => whole.format(redis.buses)),
        row(`S3: GB in ${assumptions.coldDays} days`, ({ s3 }) => amount(s3.gb)),
        row('S3: requests a month', ({ s3 }) => whole.format(s3.requestsPerMonth)),
      ]),
    ],
    [
      'dollars',
      table([
        row('workers', (plan) => dollars(plan.dollars.workers)),
        row('PostgreSQL, two copies', (plan) => dollars(plan.dollars.postgres)),
        row('its instance', ({ postgres }) => postgres.instance ?? 'none'),
        row('Redis, two copies', (plan) => dollars(plan.dollars.redis)),
        row('its node', ({ redis }) => redis.node ?? 'none'),
        row('S3', (plan) => dollars(plan.dollars.s3)),
        row('all, a month', (plan) => dollars(plan.dollars.all)),
      ]),
    ],
  ]);
}

/** To two digits, so that figures do not seem more exact than they are. */
function roundDown(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.floor(value / unit) * unit;
}
