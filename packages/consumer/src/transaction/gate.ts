import type { BusDatabase } from '@event-bus/database';
import type { CompiledQuery, QueryResult, Transaction } from 'kysely';
import { StatementRefusedError, TransactionEndedError } from '../errors.ts';
import { bindTransaction } from './bound-transaction.ts';
import type { Session } from './session.ts';
import { mayBeOutdated } from './sql-state.ts';
import { forgetStatementName, statementName } from './statement-names.ts';
import { assertStatementAllowed, type TransactionMode } from './statement-rules.ts';

/**
 * What stands between one handler and the connection.
 *
 *     open     statements pass, are counted, and those that may not are refused
 *     closed   every statement is refused: the handler has ended, its time is up, or the transaction is over
 *
 * Statements that passed go on after `close`: before COMMIT or ROLLBACK, wait until all have `settled`, or the
 * late ones would run, and commit, outside of the transaction.
 */
export interface Gate {
  /** What the handler gets. */
  readonly trx: Transaction<BusDatabase>;
  /** Errors of statements, in the order in which they came. */
  readonly failures: readonly unknown[];
  /** `why` is told to those who come later. Idempotent. */
  close(why: string): void;
  /** Statements that were sent and have not been answered. */
  open(): number;
  /** Resolves when none is open. */
  settled(): Promise<void>;
}

/** Creates an open gate. */
export function createGate(session: Session, mode: TransactionMode): Gate {
  const failures: unknown[] = [];
  const waiting: (() => void)[] = [];
  let closed: string | undefined;
  let open = 0;

  async function executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (closed !== undefined) throw new TransactionEndedError(closed);
    assertStatementAllowed(query.sql, mode);
    open += 1;
    try {
      return await session.run<Row>(query, statementName(query.sql));
    } catch (error) {
      if (mayBeOutdated(error)) forgetStatementName(query.sql);
      failures.push(error);
      throw error;
    } finally {
      open -= 1;
      if (open === 0) for (const wake of waiting.splice(0)) wake();
    }
  }

  return {
    trx: bindTransaction({
      executeQuery,
      streamQuery() {
        throw new StatementRefusedError('streaming', 'read in pages with limit and a key instead');
      },
    }),
    failures,
    close(why) {
      closed ??= why;
    },
    open: () => open,
    settled: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
