import pg from 'pg';
import { aggregateOf, payloadOf, topic } from './events.ts';

/** The statement by which a producer in plain SQL inserts one event into a table like the outbox. */
export function insertInto(table: string): (number: number) => pg.QueryConfig {
  const text = `
    insert into ${pg.escapeIdentifier(table)}
      (aggregate_type, aggregate_id, event_type, event_version, tenant_id, actor_id, payload)
    values ($1, $2, $3, $4, $5, $6, $7)`;
  return (number) => {
    const tenant = `tenant-${number % 20}`;
    const values = [topic, aggregateOf(number), 'user.created', 2, tenant, 'bench', payloadOf(number)];
    return { name: 'insert', text, values };
  };
}
