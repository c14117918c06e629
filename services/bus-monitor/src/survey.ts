import {
  type BusDatabase,
  countReplays,
  type GroupHealth,
  type GroupReplays,
  loadGroupHealth,
} from '@event-bus/database';
import { countOpenLettersOfAll, type GroupLetters } from '@event-bus/inbox';
import { type OutboxOverview, outboxStatus } from '@event-bus/operations';
import type { ServerFigures, StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { type StreamSurvey, surveyStreams } from './survey-streams.ts';

/** How the whole bus stands. A part is `null` while what it is told from cannot be reached. */
export interface Survey {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly streams: StreamSurvey | null;
  readonly server: ServerFigures | null;
  readonly outbox: OutboxOverview | null;
  readonly letters: readonly GroupLetters[] | null;
  readonly health: readonly GroupHealth[] | null;
  readonly replays: readonly GroupReplays[] | null;
  /** What could not be told, and why. */
  readonly failures: ReadonlyMap<string, unknown>;
}

/** Where a monitor looks. */
export interface SurveyParts {
  readonly pool: Parameters<typeof outboxStatus>[0];
  readonly database: Kysely<BusDatabase>;
  readonly bus: Kysely<BusDatabase>;
  readonly streams: StreamObserver;
}

/** Looks at everything once, without writing. What is down hides nothing of what is not. */
export async function survey({ pool, database, bus, streams }: SurveyParts): Promise<Survey> {
  const failures = new Map<string, unknown>();
  const look = async <Part>(name: string, part: Promise<Part>): Promise<Part | null> => {
    try {
      return await part;
    } catch (error) {
      failures.set(name, error);
      return null;
    }
  };
  const [surveyed, server, outbox, letters, health, replays] = await Promise.all([
    look('streams', surveyStreams({ bus, pool, streams })),
    look('server', streams.figures()),
    look('outbox', outboxStatus(pool)),
    look('letters', countOpenLettersOfAll(database)),
    look('health', loadGroupHealth(bus)),
    look('replays', countReplays(bus)),
  ]);
  return { at: Date.now(), streams: surveyed, server, outbox, letters, health, replays, failures };
}
