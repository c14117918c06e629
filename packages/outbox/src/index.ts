export { TooManyAggregatesError } from './errors.ts';
export type { AppendedEvent, Outbox, OutboxOptions } from './outbox.ts';
export { createOutbox, maxAggregatesPerAppend } from './outbox.ts';
