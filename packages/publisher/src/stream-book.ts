import { type LogRow, newestBatches, type RecordedBatch } from '@event-bus/outbox/log';
import { type Expectation, streamKey } from '@event-bus/transport';
import type { Pool } from 'pg';

/** What a leader knows of one stream. */
export interface StreamState {
  /** The newest batch that is recorded; `undefined` if this outbox never wrote to the stream. */
  newest: RecordedBatch | undefined;
  /** What the next append expects to find; `undefined` until the stream was looked at. */
  expect: Expectation | undefined;
}

/** The streams a leader writes to. */
export class StreamBook {
  readonly #states = new Map<string, StreamState>();
  #partitions: ReadonlyMap<string, { readonly partitions: number }>;

  private constructor(
    newest: readonly RecordedBatch[],
    topics: ReadonlyMap<string, { readonly partitions: number }>,
  ) {
    this.#partitions = topics;
    for (const batch of newest) this.#states.set(batch.stream, { newest: batch, expect: undefined });
  }

  /** Loads what is recorded of all streams. */
  static async load(
    pool: Pool,
    topics: ReadonlyMap<string, { readonly partitions: number }>,
  ): Promise<StreamBook> {
    return new StreamBook(await newestBatches(pool), topics);
  }

  /** The streams with a recorded batch. */
  recorded(): string[] {
    return [...this.#states].filter(([, state]) => state.newest !== undefined).map(([stream]) => stream);
  }

  /** What is known of a stream; it may be new. */
  state(stream: string): StreamState {
    let state = this.#states.get(stream);
    if (state === undefined) {
      state = { newest: undefined, expect: undefined };
      this.#states.set(stream, state);
    }
    return state;
  }

  /** The stream of a row. A topic that nobody registered has one partition. */
  readonly streamOf = (row: LogRow): string => {
    const partitions = this.#partitions.get(row.aggregateType)?.partitions ?? 1;
    return streamKey(row.aggregateType, row.slot % partitions, partitions);
  };
}
