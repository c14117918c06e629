/** What of `consumer.ts` differs between variants. */
export interface ConsumerSettings {
  readonly transaction: 'event' | 'batch';
  /** With `transaction: 'batch'`; 100 is the default of consumers. */
  readonly batchSize?: number;
  /** Default: `none`, as of consumers. */
  readonly ordering?: 'none' | 'aggregate';
  /** `none`: handlers return at once. */
  readonly handler?: 'insert' | 'none';
}

/** The environment in which a consumer-runner runs `consumer.ts`. */
export function consumerEnv({
  transaction,
  batchSize = 100,
  ordering = 'none',
  handler = 'insert',
}: ConsumerSettings): Readonly<Record<string, string>> {
  return {
    CONSUMERS: import.meta.dirname,
    BENCH_TRANSACTION: transaction,
    BENCH_BATCH_SIZE: String(batchSize),
    BENCH_ORDERING: ordering,
    BENCH_HANDLER: handler,
  };
}
