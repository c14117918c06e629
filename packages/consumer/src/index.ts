export {
  type ConsumerDefinition,
  type ConsumerOptions,
  consumersFor,
  defineConsumer,
  on,
  type ResolvedHandling,
} from './define-consumer.ts';
export type { Duration } from './duration.ts';
export {
  CommitUnknownError,
  ConsumerDefinitionError,
  DatabaseUnavailableError,
  DeadLetterRequestedError,
  HandlerTimeoutError,
  LeaseLostError,
  RetryRequestedError,
  ShutdownError,
  StatementRefusedError,
  TransactionAbortedError,
  TransactionEndedError,
} from './errors.ts';
export type { Handler, HandlerContext, HandlerOptions, HandlerResult, Handling, On } from './handler.ts';
export { deadLetter, type HandlerOutcome, retryAfter, skip } from './outcome.ts';
export { type Backoff, exponential, type RetryPolicy } from './retry-policy.ts';
