import { issuedAt } from '@event-bus/transport';

/** What is asked for has expired from the archive, or was trimmed without having been archived. */
export class HistoryExpiredError extends Error {
  override readonly name = 'HistoryExpiredError';
  readonly code = 'history_expired';
  readonly stream: string;
  /** Exclusive: all that came behind this entry is there. */
  readonly begins: string;

  constructor(stream: string, begins: string) {
    const since = new Date(issuedAt(begins)).toISOString();
    super(
      `the history of ${stream} begins behind ${begins}, published at ${since}: what came before has expired or was never archived; ask for a later range`,
    );
    this.stream = stream;
    this.begins = begins;
  }
}

/** The range begins in a stream that the topic had while it had one partition: groups do not read what is brought there. */
export class FormerHistoryError extends Error {
  override readonly name = 'FormerHistoryError';
  readonly code = 'history_former';
  readonly stream: string;
  /** The last entry of that stream. */
  readonly lastId: string;

  constructor(topic: string, stream: string, lastId: string) {
    const at = new Date(issuedAt(lastId)).toISOString();
    super(
      `${topic} has several partitions now, and what was published to ${stream} before, until ${at}, cannot be replayed: ask for a range that begins later; what came before is read from the archive with SQL`,
    );
    this.stream = stream;
    this.lastId = lastId;
  }
}

/** No entry of the topic lies within the range. */
export class EmptyReplayError extends Error {
  override readonly name = 'EmptyReplayError';
  readonly code = 'replay_empty';

  constructor(topic: string) {
    super(`nothing was published to ${topic} in this range`);
  }
}

/** The group does not read the topic. */
export class TopicNotReadError extends Error {
  override readonly name = 'TopicNotReadError';
  readonly code = 'topic_not_read';

  constructor(group: string, topic: string, topics: readonly string[]) {
    super(`the group ${group} does not read ${topic}; it reads ${topics.join(', ')}`);
  }
}

/** There is no replay of this ID. */
export class UnknownReplayError extends Error {
  override readonly name = 'UnknownReplayError';
  readonly code = 'unknown_replay';

  constructor(id: string) {
    super(`there is no replay ${id}: \`bus replay list\` shows those there are`);
  }
}

/** The replay is in a state in which this cannot be done to it. */
export class ReplayStateError extends Error {
  override readonly name = 'ReplayStateError';
  readonly code = 'replay_state';

  constructor(id: string, state: string, wish: string) {
    super(`the replay ${id} is ${state}: it cannot be ${wish}`);
  }
}
