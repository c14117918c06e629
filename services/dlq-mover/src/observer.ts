import type { Letter, LetterPlace } from '@event-bus/inbox';
import { durationHistogram, type Logger, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';
import { type GroupRef, placeKey } from '@event-bus/transport';
import { inDeadLetterSpan } from './dead-letter-span.ts';

/** Told of what a mover does. */
export interface MoverObserver {
  /** An event is dead, its letter written and copied. `beganAt` is in milliseconds since the epoch. */
  deadLettered(
    ref: GroupRef,
    letter: Letter,
    move: { readonly dlqId: string; readonly beganAt: number },
  ): void;
  /** Entries that a server will never take as they are: they stay pending. */
  stuck(ref: GroupRef, ids: readonly string[], reason: unknown): void;
  /** Pending entries stood in their stream no longer. So many of them nobody else had acknowledged before. */
  vanished(ref: GroupRef, ids: readonly string[], acknowledged: number): void;
  /** Redis had lost copies of dead letters. */
  restored(place: LetterPlace, count: number): void;
  /** Letters were gone, and were written again from their copies. */
  broughtBack(place: LetterPlace, count: number): void;
  /** Redis had lost redrives. */
  lost(place: LetterPlace, count: number): void;
  injected(place: LetterPlace, count: number): void;
  released(group: string, count: number): void;
  consumerRemoved(ref: GroupRef, consumer: string): void;
  /** Groups are on the server that nobody registered. */
  strangers(groups: readonly string[]): void;
  swept(durationMs: number): void;
}

const namedAtMost = 10;

/** Creates the observer of one mover. */
export function createMoverObserver(logger: Logger): MoverObserver {
  const instruments = meter();
  const moved = instruments.createCounter(metricNames.deadLettered, {
    description: 'Events that were given up',
  });
  const vanished = instruments.createCounter(metricNames.vanishedEntries, {
    description: 'Pending entries that stood in their stream no longer',
  });
  const restored = instruments.createCounter(metricNames.restoredDeadLetters, {
    description: 'Dead letters that Redis had lost',
  });
  const sweepDuration = durationHistogram(metricNames.dlqSweepDuration, 'One look through all pending lists');
  const common = { [attribute.messagingSystem]: messagingSystem };
  const of = ({ group }: { readonly group: string }) => ({ ...common, [attribute.consumerGroupName]: group });

  return {
    deadLettered(ref, letter, { dlqId, beganAt }) {
      const { eventId, kind, reason, fingerprint, attempts, deliveries, fields } = letter;
      moved.add(1, { ...of(ref), [attribute.outcome]: kind });
      const line = {
        group: ref.group,
        stream: placeKey(ref),
        event_id: eventId,
        event_type: fields.event_type,
        kind,
        reason,
        fingerprint,
        attempts,
        deliveries,
        dead_letter: dlqId,
      };
      inDeadLetterSpan(ref, letter, beganAt, () =>
        logger.error(line, 'dead letter: `bus dlq show` has all of it'),
      );
    },
    stuck(ref, ids, reason) {
      logger.error(
        {
          group: ref.group,
          stream: placeKey(ref),
          entries: ids.slice(0, namedAtMost),
          count: ids.length,
          err: reason,
        },
        'entries cannot be made dead letters and stay pending',
      );
    },
    vanished(ref, ids, acknowledged) {
      vanished.add(acknowledged, { ...of(ref), [attribute.destinationName]: ref.stream });
      logger.warn(
        { group: ref.group, stream: placeKey(ref), entries: ids },
        'pending entries stand in their stream no longer, and were acknowledged',
      );
    },
    restored({ group, stream }, count) {
      restored.add(count, of({ group }));
      logger.warn({ group, stream, count }, 'Redis lacked dead letters: they stand again');
    },
    broughtBack({ group, stream }, count) {
      logger.warn(
        { group, stream, count },
        'dead letters were gone: they are written again from their copies',
      );
    },
    lost({ group, stream }, count) {
      logger.warn({ group, stream, count }, 'Redis lacked redrives: they are injected again');
    },
    injected({ group, stream }, count) {
      logger.info({ group, stream, count }, 'events to be handled again are injected');
    },
    released(group, count) {
      logger.info({ group, count }, 'events that waited behind a dead letter are to be handled again');
    },
    consumerRemoved(ref, consumer) {
      logger.info(
        { group: ref.group, stream: placeKey(ref), consumer },
        'the name of a dead consumer was removed',
      );
    },
    strangers(groups) {
      logger.warn(
        { groups },
        'groups are in Redis that no runner registered: of theirs only what a runner has given up is moved',
      );
    },
    swept: (durationMs) => sweepDuration.record(durationMs / 1_000, common),
  };
}
