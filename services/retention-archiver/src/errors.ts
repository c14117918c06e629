/** A stream is not what it was when the sweep began: it went back in time, or somebody deleted from it. */
export class StreamChangedError extends Error {
  override readonly name = 'StreamChangedError';
  readonly code = 'stream_changed';

  constructor(stream: string, what: string) {
    super(
      `${stream} changed while it was swept: ${what}. The next sweep begins where it and the archive part.`,
    );
  }
}

/** Somebody else has recorded progress of the same stream meanwhile. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
  readonly code = 'overtaken';

  constructor(stream: string) {
    super(`${stream} is swept by somebody else as well`);
  }
}
