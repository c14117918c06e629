import { setTimeout as delay } from 'node:timers/promises';
import { createDatabase, createPool } from '@event-bus/database';
import { createScenario, type Plan } from './scenario.ts';
import { carryOut, type Outcome } from './transaction.ts';

/** What the producer has done so far. */
export interface Produced {
  /** Events of committed transactions. */
  readonly events: number;
  readonly byPlainSql: number;
  /** Events of transactions that were rolled back on purpose. */
  readonly rolledBack: number;
}

/** An application that changes its data and says so, in the same transactions. */
export interface Producer {
  /** Resolves when the last transaction is committed, or soon after the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves as soon as this share (0 to 1) of all events is appended. */
  reached(share: number): Promise<void>;
  produced(): Produced;
}

const writers = 6;

/** Creates a producer of so many events, of which it begins at most `rate` per second. */
export function createProducer(options: {
  readonly url: string;
  readonly events: number;
  readonly rate: number;
}): Producer {
  const { url, events: total, rate } = options;
  const scenario = createScenario({
    // Some of which change far more often than others.
    users: Math.ceil(Math.min(300, total / 12)),
    projects: Math.ceil(Math.min(150, total / 25)),
    created: 0.25,
    hot: 0.2,
    another: 0.1,
    brokenOneIn: 150,
    flakyOneIn: 40,
  });
  const waiting = new Set<{ readonly events: number; readonly resolve: () => void }>();
  const done = { events: 0, byPlainSql: 0, rolledBack: 0 };
  // Of transactions under way or committed.
  let claimed = 0;

  function note(plan: Plan, outcome: Outcome): void {
    const { length } = plan.events;
    if (outcome !== 'committed') claimed -= length;
    if (outcome === 'rolled back') done.rolledBack += length;
    if (outcome !== 'committed') return;
    scenario.committed(plan.events);
    done.events += length;
    if (plan.by === 'sql') done.byPlainSql += length;
    for (const waiter of waiting) if (done.events >= waiter.events) waiter.resolve();
  }

  return {
    produced: () => ({ ...done }),
    reached: (share) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const events = Math.ceil(total * share);
      if (done.events >= events) resolve();
      else waiting.add({ events, resolve });
      return promise;
    },
    async run(signal) {
      const db = createDatabase(createPool({ url, applicationName: 'demo producer', max: writers }));
      const startedAt = performance.now();
      const write = async () => {
        while (done.events < total && !signal.aborted) {
          const early = startedAt + (claimed * 1_000) / rate - performance.now();
          // The last events are under way; should one of them be rolled back, another takes its place.
          if (early > 0 || claimed === total) await delay(Math.min(Math.max(early, 5), 50));
          if (early > 50 || claimed === total) continue;
          const plan = scenario.next(total - claimed);
          claimed += plan.events.length;
          note(plan, await carryOut(db, plan));
        }
      };
      try {
        await Promise.all(Array.from({ length: writers }, write));
      } finally {
        await db.destroy();
      }
    },
  };
}
