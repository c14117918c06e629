/**
 * An error as it may be logged: name, message, code and stack, with its causes. PostgreSQL's errors carry whole rows
 * in their details, which are the data of an event.
 */
export function loggableError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
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
