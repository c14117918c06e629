// The loop one would write first: select a hundred pending rows, and for each of them wait for XADD, then for UPDATE.
import { Redis } from 'ioredis';
import pg from 'pg';
import { parameter } from '../harness/parameters.ts';

interface Row {
  readonly id: string;
  readonly event_id: string;
  readonly aggregate_type: string;
  readonly aggregate_id: string;
  readonly event_type: string;
  readonly event_version: number;
  readonly tenant_id: string;
  readonly actor_id: string;
  readonly payload: unknown;
  readonly occurred_at: Date;
}

const db = new pg.Pool({ connectionString: parameter('DATABASE_URL') });
const redis = new Redis(parameter('REDIS_URL'));
await Promise.all([db.query('select 1'), redis.ping()]);

console.log('begin');
for (;;) {
  const { rows } = await db.query<Row>(
    "select * from status_outbox where status = 'pending' order by id limit 100",
  );
  if (rows.length === 0) break;
  for (const event of rows) {
    const fields = {
      event_id: event.event_id,
      source: 'bench',
      position: event.id,
      event_type: event.event_type,
      event_version: event.event_version,
      aggregate_type: event.aggregate_type,
      aggregate_id: event.aggregate_id,
      tenant_id: event.tenant_id,
      actor_id: event.actor_id,
      occurred_at: event.occurred_at.toISOString(),
      payload: JSON.stringify(event.payload),
      traceparent: '',
      tracestate: '',
      correlation_id: '',
      causation_id: '',
    };
    await redis.xadd(`events:${event.aggregate_type}`, '*', ...Object.entries(fields).flat());
    await db.query("update status_outbox set status = 'published', published_at = now() where id = $1", [
      event.id,
    ]);
  }
}
console.log('end');

redis.disconnect();
await db.end();
