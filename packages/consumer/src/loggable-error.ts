import { errorText } from '@event-bus/telemetry';

/**
 * An error as it may be logged: name, message, code and stack, with its causes. PostgreSQL's errors carry whole rows
 * in their details, which are the data of an event. Never throws: of what cannot be read so much, it is only the text.
 */
export function loggableError(error: unknown, depth = 0): unknown {
  try {
    return error instanceof Error ? bareError(error, depth) : error;
  } catch {
    return { message: errorText(error) };
  }
}

function bareError(error: Error, depth: number): Error {
  const { cause } = error;
  const bare = new Error(
    error.message,
    cause instanceof Error && depth < 5 ? { cause: loggableError(cause, depth + 1) } : {},
  );
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return Object.assign(bare, {
    name: error.name,
    ...code,
    ...(error.stack !== undefined && { stack: error.stack }),
  });
}
