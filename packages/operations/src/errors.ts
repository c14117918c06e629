import type { ContractIssue } from '@event-bus/contracts';
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

/** What is to be done to one dead letter names none, or several. */
export class SingleLetterError extends Error {
  override readonly name = 'SingleLetterError';
  readonly code = 'single_letter';

  constructor(found: readonly string[]) {
    super(
      found.length === 0
        ? 'no dead letter fits: `bus dlq list` lists them'
        : `more than one dead letter fits, ${found.join(' and ')}: give an event ID, and --group where several groups gave it up`,
    );
  }
}

/** A dead letter is no longer as it was read, or may not be handled yet. */
export class LetterChangedError extends Error {
  override readonly name = 'LetterChangedError';
  readonly code = 'letter_changed';

  constructor(eventId: string, group: string) {
    super(
      `event ${eventId} is no longer a dead letter of ${group} as it was read, or waits behind an earlier one of its aggregate; nothing was changed: \`bus dlq show ${eventId}\` tells`,
    );
  }
}

/** A payload does not fit the contract of its event. */
export class PayloadRefusedError extends Error {
  override readonly name = 'PayloadRefusedError';
  readonly code = 'payload_refused';
  readonly issues: readonly ContractIssue[];

  constructor(event: string, issues: readonly ContractIssue[]) {
    const lines = issues.map(({ path, message }) => `  ${path}: ${message}`);
    super(`the payload of ${event} is refused, nothing was changed:\n${lines.join('\n')}`);
    this.issues = issues;
  }
}

/** A letter's payload came out of the editor as it went in. */
export class UnchangedPayloadError extends Error {
  override readonly name = 'UnchangedPayloadError';
  readonly code = 'payload_unchanged';

  constructor({ eventId, group }: { readonly eventId: string; readonly group: string }) {
    super(
      `the payload of ${eventId} is as it was, so nothing was done: \`bus dlq redrive ${eventId} --group ${group}\` redrives it unchanged`,
    );
  }
}

/** A line of a file of dead letters is none, or none of this bus. */
export class LetterLineError extends Error {
  override readonly name = 'LetterLineError';
  readonly code = 'letter_line';
  readonly line: number;
  readonly issues: readonly ContractIssue[];

  constructor(line: number, issues: readonly ContractIssue[]) {
    const lines = issues.map(({ path, message }) => `  ${path}: ${message}`);
    super(`line ${line} is no dead letter of this bus:\n${lines.join('\n')}`);
    this.line = line;
    this.issues = issues;
  }
}
