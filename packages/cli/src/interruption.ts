/** Aborts when the process is asked to stop (Ctrl-C); a second time ends it at once. */
export function interruption(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort(new Error('interrupted')));
  }
  return stop.signal;
}
