// Sends the trace of one event, which is appended, published, given up, redriven, archived and replayed by real processes, to
// a real Jaeger, and asks Jaeger whether it is one trace with all of its spans. Needs Go: Jaeger is built into .cache (some minutes,
// once), unless an all-in-one binary is named.
//
//   npx node --conditions=@event-bus/source scripts/jaeger-conformance.ts [binary]
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { userRenamed } from '../packages/contracts/src/index.ts';
import { createOutbox } from '../packages/outbox/src/index.ts';
import { createLogger } from '../packages/telemetry/src/index.ts';
import { startTelemetry } from '../packages/telemetry/src/sdk.ts';
import {
  createTemporaryFolder,
  eventually,
  freePort,
  spawnService,
  startPostgres,
} from '../packages/testkit/src/index.ts';
import { startProcess } from '../packages/testkit/src/managed-process.ts';
import { startObservedBus } from '../tests/observability/bus.ts';

const root = join(import.meta.dirname, '..');
const version = 'v1.76.0';

interface JaegerTrace {
  readonly spans: {
    readonly spanID: string;
    readonly operationName: string;
    readonly processID: string;
    readonly references: { readonly refType: string; readonly spanID: string }[];
  }[];
  readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
}

/** `go install` refuses it, because its module replaces another one. */
function build(): string {
  const binary = join(root, '.cache', `jaeger-${version}`);
  if (existsSync(binary)) return binary;
  const source = createTemporaryFolder('jaeger');
  const go = (cwd: string, ...args: string[]) =>
    execFileSync('go', args, {
      cwd,
      encoding: 'utf8',
      env: { ...process.env, CGO_ENABLED: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  const { Dir } = JSON.parse(
    go(source.path, 'mod', 'download', '-json', `github.com/jaegertracing/jaeger@${version}`),
  ) as { readonly Dir: string };
  const copy = join(source.path, 'jaeger');
  cpSync(Dir, copy, { recursive: true });
  execFileSync('chmod', ['-R', 'u+w', copy]);
  go(copy, 'build', '-buildvcs=false', '-o', binary, './cmd/all-in-one');
  return binary;
}

async function startJaeger() {
  const ports = await Promise.all(Array.from({ length: 8 }, () => freePort()));
  const [otlp, query, ...others] = ports;
  const rest = [
    'collector.otlp.grpc',
    'collector.grpc-server',
    'collector.http-server',
    'query.grpc-server',
    'admin.http',
  ].map((name, index) => `--${name}.host-port=127.0.0.1:${others[index]}`);
  const jaeger = await startProcess(process.argv[2] ?? build(), [
    `--collector.otlp.http.host-port=127.0.0.1:${otlp}`,
    `--query.http-server.host-port=127.0.0.1:${query}`,
    ...rest,
  ]);
  const url = `http://127.0.0.1:${query}`;
  await eventually(() => fetch(`${url}/api/services`).then(({ ok }) => ok), { message: 'Jaeger to answer' });
  return { jaeger, url, otlp: `http://127.0.0.1:${otlp}` };
}

const postgres = await startPostgres();
const { jaeger, url, otlp } = await startJaeger();
const archive = createTemporaryFolder('archive');
const bus = await startObservedBus(postgres.url(), {
  ARCHIVE_URL: `file://${archive.path}`,
  RETENTION: '*.hot=1s,*.cold=1d',
  ARCHIVE_EVERY: '200ms',
  OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
  OTEL_BSP_SCHEDULE_DELAY: '100',
});
try {
  await Promise.all(
    ['outbox-publisher', 'consumer-runner', 'dlq-mover'].map((service) => bus.start(service)),
  );
  const logger = createLogger({ service: 'producer', level: 'warn' });
  const telemetry = await startTelemetry({ service: 'producer', logger, otlpEndpoint: otlp });
  const [event] = await bus.database.db
    .transaction()
    .execute((trx) =>
      createOutbox().append(
        trx,
        userRenamed({ aggregateId: 'ann', tenantId: 'acme', actorId: 'ann', payload: { name: 'poison' } }),
      ),
    );
  await telemetry.shutdown();
  const until = (state: string) =>
    eventually(async () => {
      const found = await bus.database.pool.query<{ trace_id: string; state: string }>(
        'select trace_id, state from dead_letters where event_id = $1',
        [event?.eventId],
      );
      return found.rows[0]?.state === state && found.rows[0];
    });
  const { trace_id: traceId } = await until('dead');
  await bus.database.pool.query('update mood set is_cured = true');
  // The mover injects what is marked.
  await bus.database.pool.query(`update dead_letters set state = 'redriving'`);
  await until('done');
  await Promise.all(['retention-archiver', 'replayer'].map((service) => bus.start(service)));
  await eventually(async () => {
    const { rows } = await bus.database.pool.query('select from stream_retention');
    return rows.length > 0;
  });
  const replay = await spawnService({
    entry: join(root, 'packages/cli/src/main.ts'),
    args: ['replay', '--group', 'moody', '--topic', 'user', '--from', '1h'],
    env: { DATABASE_URL: bus.database.url, REDIS_URL: bus.redis.url, ARCHIVE_URL: `file://${archive.path}` },
    name: 'bus',
  });
  if ((await replay.exited).code !== 0) throw new Error(replay.output());

  const expected = [
    'append user: producer, root',
    'archive events:user: retention-archiver, child of append user',
    'dead-letter events:user: dlq-mover, child of append user',
    'process events:user: consumer-runner, child of append user',
    'process events:user: consumer-runner, child of append user',
    'process events:user: consumer-runner, child of append user',
    'process events:user: consumer-runner, child of append user',
    'process events:user: consumer-runner, child of append user',
    'publish events:user: outbox-publisher, child of append user',
    'redrive events:user: dlq-mover, child of append user',
    'replay events:user: replayer, child of append user',
  ];
  const found = await eventually(async () => {
    const { data } = (await (await fetch(`${url}/api/traces/${traceId}`)).json()) as {
      data: JaegerTrace[] | null;
    };
    const trace = data?.[0];
    if (trace === undefined) return false;
    const names = new Map(trace.spans.map(({ spanID, operationName }) => [spanID, operationName]));
    const spans = trace.spans
      .map(({ operationName, processID, references }) => {
        const parent = references.find(({ refType }) => refType === 'CHILD_OF');
        const place = parent === undefined ? 'root' : `child of ${names.get(parent.spanID)}`;
        return `${operationName}: ${trace.processes[processID]?.serviceName}, ${place}`;
      })
      .toSorted();
    return spans.length >= expected.length && spans;
  });
  console.log(found.join('\n'));
  if (!isDeepStrictEqual(found, expected)) throw new Error(`expected were\n${expected.join('\n')}`);
  console.log(`\nJaeger has trace ${traceId} whole.`);
} finally {
  await bus.close();
  await jaeger.end('SIGTERM');
  await postgres.stop();
  await archive.remove();
}
