import { errorText } from '@event-bus/telemetry';
import {
  type FailedAttempt,
  type FailureRecord,
  GroupMissingError,
  type GroupReader,
} from '@event-bus/transport';
import type { Settlement } from '../settlement.ts';
import type { Feed } from './feed.ts';
import { createFlusher, type Flusher } from './flusher.ts';
import { eventIdOf, type Held } from './held.ts';
import type { Outage } from './outage.ts';

/** A failure that is to be recorded beside the stream. */
export interface Failure {
  readonly held: Held;
  readonly record: FailureRecord;
}

/**
 * Records failures beside the stream, where the next runner finds them. A final one is handed back once its
 * record stands, which keeps it from ever being claimed: so it holds no consumer's name.
 */
export function createFailureRecorder(parts: {
  readonly feedOf: (held: Held) => Feed;
  readonly consumer: string;
  readonly reader: GroupReader;
  readonly outage: Outage;
  /** Told whenever there is room for more. */
  readonly onSent: () => void;
}): Flusher<Failure> {
  const { feedOf, consumer, reader, outage, onSent } = parts;
  return createFlusher<Failure, Feed>({
    targetOf: ({ held }) => feedOf(held),
    outage,
    lingerMs: 0,
    enough: 1,
    onSent,
    send: async (feed, failures) => {
      try {
        const records = failures.map(({ held, record }) => [held.delivery.id, record] as const);
        await reader.recordFailures(feed, consumer, new Map(records));
        const final = failures.filter(({ record }) => record.final).map(({ held }) => held.delivery);
        if (final.length > 0) await reader.release(feed, consumer, final);
      } catch (error) {
        // Nothing is pending in a group that is gone: the events come again with it.
        if (!(error instanceof GroupMissingError)) throw error;
      }
    },
  });
}

/** The record of a failure, with what is known of those before it. */
export function recordOf(
  { delivery, failure: before, firstDeliveredAt }: Held,
  consumer: string,
  failed: Extract<Settlement, { kind: 'failed' | 'given-up' }>,
  {
    isOwn,
    counted,
    delayMs,
  }: {
    readonly isOwn: boolean;
    readonly counted: boolean;
    /** Until the next attempt; `undefined` if there is to be none. */
    readonly delayMs: number | undefined;
  },
): FailureRecord {
  const now = Date.now();
  const error = describeError(failed.error);
  return {
    eventId: eventIdOf(delivery),
    attempts: (before?.attempts ?? 0) + (counted ? 1 : 0),
    final: failed.kind === 'given-up',
    isOwn,
    kind: failed.kind === 'given-up' ? failed.why : failed.reason,
    reason: bound(failed.reason, 2_000),
    error,
    stack: describeStack(failed.error),
    history: historyOf(
      before?.history ?? [],
      { at: now, consumer, error: bound(error, 300) },
      failed,
      counted,
    ),
    firstDeliveredAt,
    failedAt: now,
    dueAt: delayMs === undefined ? 0 : now + delayMs,
  };
}

const remembered = 10;

/** The first attempt that failed and the last ones. What was deferred, or never came to its handler, was none. */
function historyOf(
  earlier: readonly FailedAttempt[],
  attempt: FailedAttempt,
  failed: Parameters<typeof recordOf>[2],
  counted: boolean,
): readonly FailedAttempt[] {
  const hasFailed =
    failed.kind === 'failed'
      ? failed.reason !== 'retry-after'
      : failed.why === 'attempts' || failed.why === 'declined';
  if (!hasFailed && !counted) return earlier;
  const [first] = earlier;
  return first === undefined || earlier.length < remembered
    ? [...earlier, attempt]
    : [first, ...earlier.slice(2 - remembered), attempt];
}

/** An error as it is recorded, for people. */
export function describeError(error: unknown): string {
  return bound(errorText(error), 2_000);
}

/** Where it was thrown, with its causes, without the message that stands in the error already. */
function describeStack(error: unknown): string {
  try {
    if (!(error instanceof Error)) return '';
    const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
    const cause = error.cause instanceof Error ? `\ncaused by ${describeError(error.cause)}` : '';
    return bound(frames.join('\n') + cause, 4_000);
  } catch {
    // Whoever threw it may have made anything of its stack.
    return '';
  }
}

/** Half a surrogate pair would make the record unreadable to the scripts. */
function bound(text: string, length: number): string {
  return (text.length > length ? `${text.slice(0, length)}…` : text).toWellFormed();
}
