/** What a runner has to know of a consumer definition. */
export interface RunnerGroup {
  readonly group: string;
  readonly topics: readonly { readonly name: string; readonly partitions: number }[];
  readonly ordering: 'none' | 'aggregate';
  readonly startFrom: 'beginning' | 'now';
  readonly transaction: 'event' | 'batch';
  /** Transactions at a time. */
  readonly concurrency: number;
  /** Events in one transaction; only with `transaction: 'batch'`. */
  readonly batchSize: number;
  /** Registered for operators to see. */
  readonly policy: Readonly<Record<string, unknown>>;
}
