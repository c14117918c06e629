import { StatementRefusedError } from '../errors.ts';
import { type ScannedSql, scanSql } from './scan-sql.ts';

/** Whether a handler has its transaction to itself, or shares it with those of other events. */
export type TransactionMode = 'event' | 'batch';

const useEvent = "use `transaction: 'event'` for this consumer if it needs that";

const sharedCommands = new Set([
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'with',
  'values',
  'table',
  'notify',
  'explain',
  'show',
]);

const cached: Readonly<Record<TransactionMode, Map<string, string | null>>> = {
  event: new Map(),
  batch: new Map(),
};
const maxCached = 1_000;
const maxCachedLength = 20_000;

/**
 * Looks at a statement of a handler. In both modes the transaction and what outlives it in the pooled session are
 * out of reach; in a batch, all that the neighbours in the same transaction would feel.
 * @throws StatementRefusedError naming the command and what to do instead.
 */
export function assertStatementAllowed(text: string, mode: TransactionMode): void {
  const known = cached[mode];
  let refusal = known.get(text);
  if (refusal === undefined) {
    refusal = refusalOf(text, mode);
    if (text.length <= maxCachedLength) remember(known, text, refusal);
  }
  if (refusal !== null) {
    const [statement = '', reason = ''] = refusal.split('\n');
    throw new StatementRefusedError(statement, reason);
  }
}

// Programs have few statements; a text with literals in it must not fill the memory.
function remember(known: Map<string, string | null>, text: string, refusal: string | null): void {
  if (known.size >= maxCached) known.clear();
  known.set(text, refusal);
}

function refusalOf(text: string, mode: TransactionMode): string | null {
  const scanned = scanSql(text);
  if (scanned.statements === 0) return refuse('an empty statement', 'there is nothing to run');
  if (scanned.statements > 1) {
    return refuse('a text of several statements', 'run them one by one, each with its own call');
  }
  return (
    refuseTransactionControl(scanned) ??
    refuseSessionState(scanned) ??
    (mode === 'batch' ? refuseShared(scanned) : null)
  );
}

function refuseTransactionControl({ words }: ScannedSql): string | null {
  const [first = '', second = '', third = ''] = words;
  const reason = 'its transaction begins and ends with the handler; throw to roll back, return to commit';
  switch (first) {
    case 'begin':
    case 'commit':
    case 'end':
    case 'abort':
      return refuse(first.toUpperCase(), reason);
    case 'start':
    case 'prepare':
      return second === 'transaction' ? refuse(`${first.toUpperCase()} TRANSACTION`, reason) : null;
    case 'rollback': {
      const toSavepoint = second === 'to' || (['transaction', 'work'].includes(second) && third === 'to');
      return toSavepoint ? null : refuse('ROLLBACK', reason);
    }
    default:
      return null;
  }
}

/** What would stay in the session when the transaction is over, for whoever gets the connection next. */
function refuseSessionState({ words, calls }: ScannedSql): string | null {
  const [first = '', second = ''] = words;
  const reason = 'it would outlive the transaction in a connection that other events use next';
  if (first === 'set' && !['local', 'constraints', 'transaction'].includes(second)) {
    return refuse('SET', `${reason}: use SET LOCAL`);
  }
  if (['listen', 'unlisten', 'discard', 'deallocate', 'prepare', 'reset', 'load'].includes(first)) {
    return refuse(first.toUpperCase(), reason);
  }
  for (const call of calls) {
    if (/^pg_(try_)?advisory_(un)?lock/.test(call)) {
      return refuse(call, `${reason}: use pg_advisory_xact_lock`);
    }
  }
  return null;
}

function refuseShared({ words, calls }: ScannedSql): string | null {
  const first = words[0] ?? '';
  if (!sharedCommands.has(first)) {
    return refuse(
      first === '' ? 'this statement' : first.toUpperCase(),
      `with \`transaction: 'batch'\` other events share the transaction and would be affected; ${useEvent}`,
    );
  }
  for (const call of calls) {
    if (/^pg_(try_)?advisory_/.test(call) || call === 'set_config') {
      return refuse(
        call,
        `with \`transaction: 'batch'\` it would hold for the other events of the transaction, too; ${useEvent}`,
      );
    }
  }
  return null;
}

function refuse(statement: string, reason: string): string {
  return `${statement}\n${reason}`;
}
