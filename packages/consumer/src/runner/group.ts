/** What a runner has to know of a consumer definition. */
export interface RunnerGroup {
  readonly group: string;
  readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  readonly ordering: 'none' | 'aggregate';
  readonly startFrom: 'beginning' | 'now' | 'archive';
  readonly transaction: 'event' | 'batch';
  /** Transactions at a time. */
  readonly concurrency: number;
  /** Events in one transaction; only with `transaction: 'batch'`. */
  readonly batchSize: number;
  /** The event types it has handlers for. */
  readonly events: readonly string[];
  /** Whether later events of an aggregate go on after a dead letter, or wait behind it. */
  readonly onDeadLetter: 'continue' | 'hold';
  /** How often an entry is handed out before its processes are taken to have died of it. */
  readonly maxDeliveries: number;
  /** How many aggregates must fail in a row before nothing is started for a while; 0: never. */
  readonly circuitThreshold: number;
  /** Registered for operators to see. */
  readonly policy: Readonly<Record<string, unknown>>;
}
