import type { RedriveProgress } from '@event-bus/inbox';
import type { OperatorRequest } from '../operator-request.ts';

/** How a redrive is followed. */
export interface FollowOptions {
  /** Given up when nothing has changed for so long. What was handed over is handled all the same. */
  readonly patienceMs: number;
  /** Hands over no more, and ends the following. */
  readonly signal: AbortSignal;
  /** Told how the letters stand, whenever that was looked up. */
  readonly onProgress: (progress: RedriveProgress) => void;
  /** Told that Redis could not be reached; what it lacks is brought to it later. */
  readonly onAway: (error: Error) => void;
}

/** How letters are to be handled again. */
export interface RedriveRequest extends OperatorRequest {
  /** To how many letters it is done at most. */
  readonly limit: number;
  /** How many are handed over in a second at most; as fast as it goes unless given. */
  readonly perSecond?: number | undefined;
  /** Sizes of the batches, each of which is followed to its end before the next; the last size counts for all others. */
  readonly batches?: readonly number[] | undefined;
  /** Hands over no more when one has failed again. */
  readonly stopOnFailure: boolean;
  /** `null`: hands over and returns. */
  readonly follow: FollowOptions | null;
}
