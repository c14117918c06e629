import type { Leader } from './leader.ts';
import { recoverStreams } from './recovery.ts';

/**
 * Checks that every stream this outbox ever wrote to still holds what was written last, and mends those that do not.
 * A stream that nobody writes to would otherwise never notice that it went back in time. Nothing may be under way.
 */
export async function sweep(leader: Leader): Promise<void> {
  const { streams } = leader;
  const suspects: string[] = [];
  for (const stream of streams.recorded()) {
    const state = streams.state(stream);
    if (state.expect === undefined || !(await isIntact(leader, stream))) suspects.push(stream);
  }
  if (suspects.length > 0) await recoverStreams(leader, suspects);
}

async function isIntact(leader: Leader, stream: string): Promise<boolean> {
  const { writer, settings, streams, observer } = leader;
  const { newest, expect } = streams.state(stream);
  if (newest === undefined) return true;
  try {
    const found = await writer.inspect(stream, settings.source, {
      entryId: newest.lastId,
      eventId: newest.lastEventId,
    });
    return found.askedPresent === true && (found.mark?.eventId ?? null) === expect?.eventId;
  } catch (error) {
    observer.unavailable(error instanceof Error ? error : new Error(String(error)));
    return false;
  }
}
