/** The SQLSTATE of an error that PostgreSQL sent, or `undefined`. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('severity' in error))
    return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Whether PostgreSQL says that it is not available: shutting down, out of connections, memory or disk, or the
 * session was ended by someone. A limit on what a single session may use (53400, such as `temp_file_limit`) is not among
 * them: the server is well, and whoever went beyond it does so again.
 */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error);
  if (state === undefined) return false;
  return /^(08|53(?!400)|57P|25P0[34])/.test(state);
}

/** Whether the transaction lost against a concurrent one, and may succeed when run again. */
export function isConflict(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

/** Whether a statement that was planned earlier may have failed only because its tables have changed since. */
export function mayBeOutdated(error: unknown): boolean {
  const state = sqlState(error) ?? '';
  return state.startsWith('42') || state.startsWith('0A');
}
