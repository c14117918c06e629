/** A stream changed between a look at it and the write that relied on it: look again. */
export class StreamChangedError extends Error {
  override readonly name = 'StreamChangedError';
  readonly code = 'stream_changed';
}
