import {
  DamagedObjectError,
  HistoryGapError,
  MissingObjectError,
  StoreRefusedError,
  UnknownFormatError,
} from '@event-bus/archive';
import { CommandRejectedError } from '@event-bus/transport';

/** Somebody else works on the replay now, or an operator has stopped it. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
  readonly code = 'superseded';

  constructor() {
    super('the replay was taken over, or stopped');
  }
}

/** The range goes by entry IDs, and the stream was rebuilt: its entries have other IDs now. */
export class StreamRebuiltError extends Error {
  override readonly name = 'StreamRebuiltError';
  readonly code = 'stream_rebuilt';

  constructor(stream: string) {
    super(
      `${stream} was lost and written again, under other entry IDs than those that were asked for: ask for a range of time`,
    );
  }
}

const FINAL = [
  DamagedObjectError,
  HistoryGapError,
  MissingObjectError,
  StoreRefusedError,
  UnknownFormatError,
  CommandRejectedError,
  StreamRebuiltError,
];

/** Whether somebody has to mend something before the replay can go on. */
export function isFinal(error: unknown): error is Error {
  return FINAL.some((kind) => error instanceof kind);
}
