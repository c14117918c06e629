import { join } from 'node:path';
import { eventually } from '@event-bus/testkit';
import { consumerEnv } from './consumer-env.ts';
import { createTemplate, queryNumber } from './fill/database.ts';
import { createEffects } from './fill/effects.ts';
import type { Figure } from './harness/figure.ts';
import { assertCount, RunInvalidError, withProgram } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';
import { withClient } from './harness/with-client.ts';

const template = 'bench_latency';
const seconds = 10;
const warmUpEvents = 3_000;
const warmUpRate = 1_000;
const patienceMs = 180_000;
const producer = join(import.meta.dirname, 'steady-producer.ts');
const services = join(import.meta.dirname, '..', 'services');
const woken = (rate: number) => `${rate} events/s`;
const polled = '1000 events/s, a look every 20 ms, not woken';

/** How long after its producer has committed an event is handled: percentiles at steady rates. */
export const latency: Question = {
  name: 'latency',
  title: `Latency at a steady rate: from the commit of an insert to the commit of its handler, ${seconds} s`,
  prepare: ({ postgres }) => createTemplate(postgres, template, [createEffects]),
  variants: [
    { name: woken(1_000), run: (stage) => runBus(stage, 1_000) },
    ...[100, 250, 500, 2_000, 4_000].map((rate) => ({
      name: woken(rate),
      run: (stage: Stage) => runBus(stage, rate),
    })),
    {
      name: polled,
      run: (stage) =>
        runBus(stage, 1_000, {
          producer: { PGOPTIONS: '-c bus.wakeup=off' },
          publisher: { PUBLISH_POLL: '20ms' },
        }),
    },
  ],
  goals: [
    { variant: woken(1_000), figure: 'p50', atMost: 7 },
    { variant: woken(1_000), figure: 'p95', atMost: 12 },
    { variant: woken(1_000), figure: 'p99', atMost: 20 },
    { variant: woken(100), figure: 'p50', atMost: 3 },
    { variant: woken(100), figure: 'p99', atMost: 10 },
    { variant: polled, figure: 'p50', atMost: 20 },
    { variant: polled, figure: 'p99', atMost: 40 },
  ],
};

interface Variables {
  readonly producer?: Readonly<Record<string, string>>;
  readonly publisher?: Readonly<Record<string, string>>;
}

/** Producer, publisher and runner, each in a process of its own. The first events warm them up and are not counted. */
async function runBus(stage: Stage, rate: number, variables: Variables = {}): Promise<Run> {
  const counted = stage.count(rate * seconds);
  const warmUp = stage.count(warmUpEvents);
  const url = await stage.database(template);
  const servers = { DATABASE_URL: url, REDIS_URL: stage.redis.url };
  const publisher = {
    entry: join(services, 'outbox-publisher', 'src', 'main.ts'),
    env: { ...servers, OUTBOX_SOURCE: 'bench', ...variables.publisher },
  };
  const runner = {
    entry: join(services, 'consumer-runner', 'src', 'main.ts'),
    env: { ...servers, ...consumerEnv({ transaction: 'batch' }) },
  };
  const produce = async (events: number, eventsPerSecond: number): Promise<Figure[]> => {
    const load = { EVENTS: String(events), RATE: String(eventsPerSecond) };
    const program = { entry: producer, env: { DATABASE_URL: url, ...load, ...variables.producer } };
    return withProgram(program, async (running) => {
      await running.waitFor(/^end$/m, { timeoutMs: patienceMs });
      return producerFigures(running.output());
    });
  };
  return withProgram(publisher, (publishing) =>
    withProgram(runner, async (handling) => {
      await Promise.all([publishing, handling].map((service) => service.waitFor(/"msg":"started"/)));
      await produce(warmUp, warmUpRate);
      await allHandled(url, warmUp);
      const inserted = await produce(counted, rate);
      await allHandled(url, warmUp + counted);
      return { events: counted, figures: [...(await readLatency(url, warmUp, counted)), ...inserted] };
    }),
  );
}

async function allHandled(url: string, events: number): Promise<void> {
  await eventually(async () => (await queryNumber(url, 'select count(*) from effects')) === events, {
    timeoutMs: patienceMs,
    intervalMs: 200,
    message: `${events} events to be handled`,
  });
}

/** When what committed, PostgreSQL itself knows: by one clock at both ends, and without anything in between. */
async function readLatency(url: string, warmUp: number, counted: number): Promise<Figure[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ events: number; percentiles: number[]; longest: number }>(
      `select count(*)::int as events, max(ms) as longest,
         percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ms) as percentiles
       from (
         select extract(epoch from pg_xact_commit_timestamp(h.xmin) - pg_xact_commit_timestamp(e.xmin))::float8 * 1000 as ms
         from outbox_events e join effects h using (event_id)
         order by e.position offset $1
       ) latencies`,
      [warmUp],
    );
    const { events = 0, percentiles = [], longest = 0 } = rows[0] ?? {};
    assertCount('events handled', events, counted);
    const [p50 = 0, p95 = 0, p99 = 0] = percentiles;
    return Object.entries({ p50, p95, p99, longest }).map(([name, value]) => ({ name, unit: 'ms', value }));
  });
}

/** How the producer kept its rate, and from when an event was due until it was inserted. */
function producerFigures(output: string): Figure[] {
  const line = /^\{.*\}$/m.exec(output)?.[0];
  if (line === undefined) throw new RunInvalidError(`the producer has told no figures:\n${output}`);
  const { eventsPerSecond, p50, p99 } = JSON.parse(line) as Record<string, number>;
  return [
    { name: 'rate', unit: 'events/s', value: eventsPerSecond ?? 0 },
    { name: 'insert p50', unit: 'ms', value: p50 ?? 0 },
    { name: 'insert p99', unit: 'ms', value: p99 ?? 0 },
  ];
}
