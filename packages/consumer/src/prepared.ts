import type { ReceivedEvent } from '@event-bus/contracts';
import type { Logger } from '@event-bus/telemetry';
import type { ConsumerDefinition, ResolvedHandling } from './define-consumer.ts';
import type { Work } from './settlement.ts';
import type { Member } from './transaction/member.ts';

/** A delivery that is decoded and has a handler. */
export interface Prepared {
  readonly work: Work;
  readonly event: ReceivedEvent;
  readonly handling: ResolvedHandling;
  /** Made when it is first asked for: most events are handled without a word. */
  readonly log: () => Logger;
  readonly member: Member;
}

/** Puts together what a transaction needs to know of an event. */
export function prepare(
  consumer: ConsumerDefinition,
  logger: Logger,
  { work, event, handling }: Pick<Prepared, 'work' | 'event' | 'handling'>,
): Prepared {
  const { group, ordering, onDeadLetter } = consumer;
  const { delivery, attempt, lease } = work;
  const replayId = event.replay?.id ?? '';
  let child: Logger | undefined;
  const log = () => {
    child ??= logger.child({
      group,
      event_id: event.id,
      event_type: event.type,
      attempt,
      ...(event.replay && { replay_id: replayId }),
    });
    return child;
  };
  const { source, aggregateType, aggregateId, position } = event;
  const injected = delivery.injected === true;
  const place = { source, aggregateType, aggregateId, position };
  const member: Member = {
    row: {
      group,
      eventId: event.id,
      replayId,
      occurredAt: event.occurredAtText,
      stream: delivery.stream,
      streamId: delivery.id,
      attempt,
      // Replays and redrives go through history again, in an order of their own.
      ...(ordering === 'aggregate' && !injected && !event.replay && { position: place }),
    },
    ...(onDeadLetter === 'hold' && !event.replay && { heldBy: place }),
    injected,
    ...(lease && { lease }),
    aggregate: `${aggregateType} ${aggregateId}`,
    timeoutMs: handling.timeoutMs,
    handle: (trx, signal) =>
      handling.handle(event, {
        trx,
        attempt,
        idempotencyKey: event.replay ? `${group}:${event.id}:${replayId}` : `${group}:${event.id}`,
        get signal() {
          return signal();
        },
        get log() {
          return log();
        },
      }),
  };
  return { work, event, handling, member, log };
}
