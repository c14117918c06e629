import { createBell } from './bell.ts';
import type { Outage } from './outage.ts';
import { pause } from './pause.ts';

/** Collects what is to be sent to Redis, and sends it many at a time until it has arrived. */
export interface Flusher<Item> {
  /** Replaces what was to be sent under this ID and has not been. */
  add(id: string, item: Item): void;
  /** What has not arrived yet. */
  pending(): Item[];
  /** Sends what is added until the signal aborts. Failures are tried again after a while. Never rejects. */
  run(stop: AbortSignal): Promise<void>;
  /** Sends everything once. Rejects with the first failure; what did not arrive stays. */
  flush(): Promise<void>;
}

/** How a flusher sends. */
export interface FlusherOptions<Item, Target> {
  readonly targetOf: (item: Item) => Target;
  readonly send: (target: Target, items: readonly Item[]) => Promise<void>;
  readonly outage: Outage;
  readonly lingerMs: number;
  readonly enough: number;
  /** Told whenever something has arrived. */
  readonly onSent: () => void;
}

const chunkSize = 500;

/** Creates an empty flusher. */
export function createFlusher<Item, Target>(options: FlusherOptions<Item, Target>): Flusher<Item> {
  const { targetOf, send, outage, lingerMs, enough, onSent } = options;
  const queue = new Map<string, Item>();
  const bell = createBell();
  const full = createBell();

  async function sendChunk(target: Target, chunk: readonly (readonly [string, Item])[]): Promise<void> {
    await send(
      target,
      chunk.map(([, item]) => item),
    );
    for (const [id, item] of chunk) if (queue.get(id) === item) queue.delete(id);
    onSent();
  }

  async function flush(): Promise<void> {
    const failures: unknown[] = [];
    for (const [target, entries] of Map.groupBy(queue, ([, item]) => targetOf(item))) {
      try {
        for (let from = 0; from < entries.length; from += chunkSize) {
          await sendChunk(target, entries.slice(from, from + chunkSize));
        }
      } catch (error) {
        // What is for the others may well arrive.
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  return {
    add(id, item) {
      queue.set(id, item);
      bell.ring();
      if (queue.size >= enough) full.ring();
    },
    pending: () => [...queue.values()],
    flush,
    async run(stop) {
      while (!stop.aborted) {
        if (queue.size === 0) await bell.wait(60_000, stop);
        if (queue.size === 0) continue;
        if (queue.size < enough) await full.wait(lingerMs, stop);
        if (stop.aborted) return;
        try {
          await flush();
          outage.recovered();
        } catch (error) {
          await pause(outage.failed(error), stop);
        }
      }
    },
  };
}
