import { CommandRejectedError, type OddKey, type StreamObserver, TransportError } from '@event-bus/transport';

/** Something else was stored under a key of a stream, so nothing can be told of this stream. */
export class StreamUnreadableError extends Error {
  override readonly name = 'StreamUnreadableError';
  readonly code = 'stream_unreadable';
  readonly stream: string;
  /** Which keys, and what they are; none if that could not be told. */
  readonly keys: readonly OddKey[];
  /** What is wrong with the stream: a sentence without its full stop. */
  readonly found: string;
  readonly advice: string;

  constructor(stream: string, keys: readonly OddKey[], cause: CommandRejectedError) {
    const odd = keys.map(({ key, is, shouldBe }) => `${key} is a ${is} and should be a ${shouldBe}`);
    const found = `it cannot be read: ${odd.length === 0 ? cause.message : odd.join(', ')}`;
    const advice =
      odd.length === 0
        ? `ask for the TYPE of ${stream} and of the keys beside it, {${stream}}:…, and rename what is something else: runbook BusStreamUnreadable`
        : 'rename what was stored there, and the bus writes again what it keeps there: runbook BusStreamUnreadable';
    super(`stream ${stream}: ${found}; ${advice}`, { cause });
    this.stream = stream;
    this.keys = keys;
    this.found = found;
    this.advice = advice;
  }
}

/** What was found on streams, and which of them cannot be read. */
export interface Views<View> {
  readonly views: readonly View[];
  readonly unreadable: readonly StreamUnreadableError[];
}

/**
 * Looks at one stream. Resolves to an error if something else was stored under one of its keys: that hides this stream, and no
 * other.
 */
export async function unlessUnreadable<View>(
  observer: StreamObserver,
  stream: string,
  look: () => Promise<View>,
): Promise<View | StreamUnreadableError> {
  try {
    return await look();
  } catch (error) {
    return whyUnreadable(observer, stream, error);
  }
}

/**
 * Says why a look at a stream was rejected.
 * @throws the error itself, if it says nothing of this one stream.
 */
export async function whyUnreadable(
  observer: StreamObserver,
  stream: string,
  error: unknown,
): Promise<StreamUnreadableError> {
  if (!(error instanceof CommandRejectedError)) throw error;
  return new StreamUnreadableError(stream, await oddKeys(observer, stream), error);
}

/** Keeps apart what was found and what could not be. */
export function toViews<View>(looks: readonly (View | StreamUnreadableError)[]): Views<View> {
  const views: View[] = [];
  const unreadable: StreamUnreadableError[] = [];
  for (const look of looks) {
    if (look instanceof StreamUnreadableError) unreadable.push(look);
    else views.push(look);
  }
  return { views, unreadable };
}

async function oddKeys(observer: StreamObserver, stream: string): Promise<OddKey[]> {
  try {
    return await observer.oddKeys(stream);
  } catch (error) {
    // A user whose rights are of before may not ask; what was rejected first is told all the same.
    if (error instanceof TransportError) return [];
    throw error;
  }
}
