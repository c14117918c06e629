/** Anything a transport call can end in beside its result. */
export abstract class TransportError extends Error {
  abstract readonly code: string;
}

/** The reply was lost (connection cut, time-out): the command may have taken effect, or may yet. */
export class UnknownOutcomeError extends TransportError {
  override readonly name = 'UnknownOutcomeError';
  readonly code = 'unknown_outcome';
}

/** The server declined for now; nothing was done. Trying again later can succeed. */
export class ServerRefusedError extends TransportError {
  override readonly name = 'ServerRefusedError';
  readonly code = 'server_refused';
}

/** The server will never accept this command as it is; nothing was done. */
export class CommandRejectedError extends TransportError {
  override readonly name = 'CommandRejectedError';
  readonly code = 'command_rejected';
}

/** The consumer group, or its stream, does not exist on the server. */
export class GroupMissingError extends TransportError {
  override readonly name = 'GroupMissingError';
  readonly code = 'group_missing';
  readonly group: string;
  readonly streams: readonly string[];

  constructor(group: string, streams: readonly string[], options?: ErrorOptions) {
    super(
      `group ${group} is missing on one of ${streams.join(', ')}: it is created again from the registry`,
      options,
    );
    this.group = group;
    this.streams = streams;
  }
}

/** Entries that come before those that were read went elsewhere. What was read is this consumer's all the same. */
export class EntriesPassedOverError extends TransportError {
  override readonly name = 'EntriesPassedOverError';
  readonly code = 'entries_passed_over';

  constructor(place: string, following: string, read: string) {
    super(
      `${following} in ${place} was handed out elsewhere, so ${read} is not handled before it: both are claimed again, in their order`,
    );
  }
}

/** The transport was closed by its own process. */
export class TransportClosedError extends TransportError {
  override readonly name = 'TransportClosedError';
  readonly code = 'transport_closed';
}
