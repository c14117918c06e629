import {
  type BusDatabase,
  loadRetention,
  loadTopics,
  type RegisteredTopic,
  registerUnknownTopics,
  type StreamRetention,
} from '@event-bus/database';
import { type LogRow, newestBatches, type RecordedBatch } from '@event-bus/outbox/log';
import { type Expectation, streamKey } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import type { Pool } from 'pg';

/** What a leader knows of one stream. */
export interface StreamState {
  /** The newest batch that is recorded; `undefined` if this outbox never wrote to the stream. */
  newest: RecordedBatch | undefined;
  /** What the next append expects to find; `undefined` until the stream was looked at. */
  expect: Expectation | undefined;
  /** It can be neither read nor written, and somebody was told so. */
  isUnusable: boolean;
}

/** The streams a leader writes to. */
export class StreamBook {
  readonly #states = new Map<string, StreamState>();
  readonly #registry: Kysely<BusDatabase>;
  #topics: ReadonlyMap<string, RegisteredTopic>;

  private constructor(
    newest: readonly RecordedBatch[],
    registry: Kysely<BusDatabase>,
    topics: ReadonlyMap<string, RegisteredTopic>,
  ) {
    this.#registry = registry;
    this.#topics = topics;
    for (const batch of newest)
      this.#states.set(batch.stream, { newest: batch, expect: undefined, isUnusable: false });
  }

  /** Loads what is recorded of all streams, and the topics that are registered. */
  static async load(pool: Pool, registry: Kysely<BusDatabase>): Promise<StreamBook> {
    return new StreamBook(await newestBatches(pool), registry, await loadTopics(registry));
  }

  /** The streams with a recorded batch. */
  recorded(): string[] {
    return [...this.#states].filter(([, state]) => state.newest !== undefined).map(([stream]) => stream);
  }

  /** What is known of a stream; it may be new. */
  state(stream: string): StreamState {
    let state = this.#states.get(stream);
    if (state === undefined) {
      state = { newest: undefined, expect: undefined, isUnusable: false };
      this.#states.set(stream, state);
    }
    return state;
  }

  /** How far a stream is archived and trimmed, as the bus's database says now. */
  retention(stream: string): Promise<StreamRetention | undefined> {
    return loadRetention(this.#registry, stream);
  }

  /**
   * Makes sure that the topics of these rows are registered, those that nobody defined with one partition: whoever
   * defines them otherwise later is told, instead of waiting at streams that are never written.
   */
  async meet(rows: readonly LogRow[]): Promise<void> {
    const unknown = new Set(rows.map((row) => row.aggregateType).filter((topic) => !this.#topics.has(topic)));
    if (unknown.size === 0) return;
    await registerUnknownTopics(this.#registry, [...unknown]);
    this.#topics = await loadTopics(this.#registry);
  }

  /** The stream of a row whose topic was met. */
  readonly streamOf = (row: LogRow): string => {
    const topic = this.#topics.get(row.aggregateType);
    if (topic === undefined) throw new Error(`topic ${row.aggregateType} is not registered`);
    return streamKey(topic.name, row.slot % topic.partitions, topic.partitions);
  };
}
