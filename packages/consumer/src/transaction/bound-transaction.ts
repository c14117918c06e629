import type { BusDatabase } from '@event-bus/database';
import {
  type ConnectionProvider,
  type DatabaseConnection,
  type Dialect,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  Transaction,
} from 'kysely';
import type { Session } from './session.ts';

const dialect: Dialect = {
  createAdapter: () => new PostgresAdapter(),
  createDriver: () => new DummyDriver(),
  createQueryCompiler: () => new PostgresQueryCompiler(),
  createIntrospector: (db) => new PostgresIntrospector(db),
};
const config = { dialect };
const driver = new DummyDriver();
const executor = new Kysely<BusDatabase>(config).getExecutor();

/**
 * A kysely transaction over a connection that is in one already. Unlike kysely's own it hands statements to the
 * connection at once, without waiting for those before.
 */
export function bindTransaction(connection: DatabaseConnection): Transaction<BusDatabase> {
  const provider: ConnectionProvider = { provideConnection: (consume) => consume(connection) };
  return new Transaction<BusDatabase>({
    config,
    dialect,
    driver,
    executor: executor.withConnectionProvider(provider),
  });
}

const names = new Map<string, string>();

/** The bus's own statements are few, and the same for every event. */
function nameOf(text: string): string {
  const name = names.get(text) ?? `bus_${names.size + 1}`;
  names.set(text, name);
  return name;
}

/** A transaction for the bus's own statements, which no rule applies to; each is planned once per connection. */
export function bindBookkeeping(session: Session): Transaction<BusDatabase> {
  return bindTransaction({
    executeQuery: (query) => session.run(query, nameOf(query.sql)),
    streamQuery() {
      throw new Error('the bookkeeping streams nothing');
    },
  });
}
