import type { EventStatus } from '@event-bus/outbox/log';

/** A retry was asked for an event that is not parked. */
export class NotParkedError extends Error {
  override readonly name = 'NotParkedError';
  readonly code = 'not_parked';
  readonly eventId: string;

  constructor(eventId: string, status: EventStatus['status'] | undefined) {
    super(
      status === undefined
        ? `event ${eventId} is not in this outbox: \`bus outbox parked\` lists what can be retried`
        : `event ${eventId} is ${status}, not parked: there is nothing to retry`,
    );
    this.eventId = eventId;
  }
}

/** A group is neither registered nor known to the server. */
export class UnknownGroupError extends Error {
  override readonly name = 'UnknownGroupError';
  readonly code = 'unknown_group';
  readonly group: string;

  constructor(group: string, known: readonly string[]) {
    const others = known.length === 0 ? 'no group is' : `registered are ${known.join(', ')}`;
    super(`group ${group} is not registered; ${others}`);
    this.group = group;
  }
}

/** A topic is not registered, so its streams are not known. */
export class UnknownTopicError extends Error {
  override readonly name = 'UnknownTopicError';
  readonly code = 'unknown_topic';
  readonly topic: string;

  constructor(topic: string, known: readonly string[]) {
    const others = known.length === 0 ? 'no topic is' : `registered are ${known.join(', ')}`;
    super(`topic ${topic} is not registered; ${others}`);
    this.topic = topic;
  }
}
