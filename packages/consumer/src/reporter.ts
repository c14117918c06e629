import type { Logger } from '@event-bus/telemetry';
import { loggableError } from './loggable-error.ts';
import type { Prepared } from './prepared.ts';
import type { Settlement } from './settlement.ts';
import type { BatchEnd } from './transaction/batch-transaction.ts';

/** Logs what became of events, as far as it concerns the event. Interruptions concern the runner, which tells of them. */
export interface Reporter {
  settled(prepared: Prepared, settlement: Settlement): void;
  undecodable(reason: string, fields: object): void;
  inverted(prepared: Prepared, after: bigint): void;
  isolated(events: number, end: Extract<BatchEnd, { kind: 'isolate' }>): void;
}

/** Creates a reporter for one group. */
export function createReporter(logger: Logger): Reporter {
  return {
    settled(prepared, settlement) {
      const { work } = prepared;
      const entry = { stream: work.delivery.stream, entry_id: work.delivery.id };
      if (settlement.kind === 'given-up') {
        const { reason, error } = settlement;
        prepared.log().error({ ...entry, reason, err: loggableError(error) }, 'the event is given up');
      }
      if (settlement.kind === 'failed') {
        const { reason, error, delayMs, backoffFault } = settlement;
        prepared
          .log()
          .warn(
            { ...entry, reason, retry_in_ms: delayMs, err: loggableError(error) },
            'the event was not handled and will be tried again',
          );
        if (backoffFault !== undefined) {
          prepared
            .log()
            .error(
              { ...entry, reason: `backoff ${backoffFault}` },
              'a backoff has no delay to give; the default one is kept to',
            );
        }
      }
    },
    undecodable(reason, fields) {
      logger.error({ ...fields, reason }, 'the event is given up');
    },
    inverted({ log, event }, after) {
      log().error(
        { aggregate_id: event.aggregateId, position: String(event.position), after: String(after) },
        'an event came after a later one of its aggregate',
      );
    },
    isolated(events, { error, refusal }) {
      const event = refusal && { event_id: refusal.eventId, outcome: refusal.outcome };
      logger.warn(
        { events, ...event, err: loggableError(error) },
        'a batch was rolled back; its events are handled one by one',
      );
    },
  };
}
