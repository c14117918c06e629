import { type Duration, parseDuration } from './duration.ts';

const brand: unique symbol = Symbol.for('@event-bus/consumer/outcome') as never;

/** What a handler may return instead of nothing. Made by {@link skip}, {@link retryAfter} and {@link deadLetter}. */
export type HandlerOutcome =
  | { readonly [brand]: true; readonly kind: 'skip'; readonly reason: string }
  | {
      readonly [brand]: true;
      readonly kind: 'retry-after';
      readonly delayMs: number;
      readonly reason: string;
    }
  | { readonly [brand]: true; readonly kind: 'dead-letter'; readonly reason: string };

/** The event is none of this group's business. What the handler wrote is kept, the inbox says `skipped` and why. */
export function skip(reason: string): HandlerOutcome {
  return { [brand]: true, kind: 'skip', reason };
}

/**
 * The event cannot be handled yet: what the handler wrote is rolled back and it is called again after the delay
 * (not before; in an ordered group the aggregate waits). It does not count as an attempt, for as long as the event
 * has been in its stream for less than the definition's `maxDeferral`; from then on it counts as a failed one, so
 * that no event is deferred for ever.
 * @throws RangeError if the delay is not a duration.
 */
export function retryAfter(delay: Duration, reason = 'the handler asked to be called later'): HandlerOutcome {
  const delayMs = parseDuration(delay);
  if (delayMs === undefined) {
    throw new RangeError(`retryAfter takes a duration such as "30s" or "5m", not ${JSON.stringify(delay)}`);
  }
  return { [brand]: true, kind: 'retry-after', delayMs, reason };
}

/** The event can never be handled: what the handler wrote is rolled back, and no attempt follows. */
export function deadLetter(reason: string): HandlerOutcome {
  return { [brand]: true, kind: 'dead-letter', reason };
}

/** Whether a value is an outcome. Whatever else a handler returns means: done. */
export function isOutcome(value: unknown): value is HandlerOutcome {
  return typeof value === 'object' && value !== null && brand in value;
}
