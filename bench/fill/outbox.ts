import { aggregates, type Filling, fillingBytes, sampledEvery, topic } from './events.ts';

// As in `payloadOf`, made by the server.
const payload = (filling: number) => `json_build_object(
  'email', 'user-' || n || '@bench.example', 'name', 'somebody ' || n || ' ' || repeat('x', ${filling}))`;

// As in `traceparentOf`.
const traceHeaders = `jsonb_build_object('traceparent', '00-' || lpad(to_hex(n), 32, '0') || '-'
  || lpad(to_hex(n), 16, '0') || case when n % ${sampledEvery} = 0 then '-01' else '-00' end)`;

/** Inserts events into the outbox as a producer in plain SQL would. */
export function fillOutbox(count: number, { filling = fillingBytes, traced = false }: Filling = {}): string {
  return `
    insert into outbox_events
      (aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload, headers)
    select '${topic}', 'user-' || n % ${aggregates}, 'user.created', 2, 'tenant-' || n % 20, 'bench',
      ${payload(filling)}, ${traced ? traceHeaders : "'{}'"}
    from generate_series(1, ${count}) n`;
}

/** The outbox of the loop: a status per row, and the index that serves it best. */
export const createStatusOutbox = `
  create table status_outbox (
    id bigint generated always as identity primary key,
    event_id uuid not null default gen_random_uuid(),
    aggregate_type text not null,
    aggregate_id text not null,
    event_type text not null,
    event_version integer not null,
    tenant_id text not null,
    actor_id text not null,
    payload jsonb not null,
    occurred_at timestamptz not null default now(),
    status text not null default 'pending',
    published_at timestamptz
  );
  create index status_outbox_pending on status_outbox (id) where status = 'pending'`;

/** The same events in the loop's outbox. */
export function fillStatusOutbox(count: number): string {
  return `
    insert into status_outbox (aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload)
    select '${topic}', 'user-' || n % ${aggregates}, 'user.created', 2, 'tenant-' || n % 20, 'bench', ${payload(fillingBytes)}
    from generate_series(1, ${count}) n`;
}
