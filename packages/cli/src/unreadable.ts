import type { StreamUnreadableError } from '@event-bus/operations';
import type { SetStatus } from './exit-status.ts';
import { printError } from './output.ts';

/** Names the streams that are left out of what was printed, each once and why, and says so by the exit status. */
export function tellUnreadable(unreadable: readonly StreamUnreadableError[], setStatus: SetStatus): void {
  for (const message of new Set(unreadable.map((error) => error.message))) printError(message);
  if (unreadable.length > 0) setStatus(1);
}
