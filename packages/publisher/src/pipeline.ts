import { recordProgress, toRanges, type WrittenPart } from '@event-bus/outbox/log';
import { type Batch, entryOf, lastEventId, type Part, type Reply } from './batch.ts';
import type { Leader } from './leader.ts';
import type { LogReader } from './log-reader.ts';
import type { PublisherObserver } from './observer.ts';
import { recover } from './recovery.ts';

/**
 * Batches on their way to Redis. Several may be under way: each part expects, by event ID, the one sent before it,
 * so it needs no reply of it. Batches are recorded in order, when all their parts are written or parked.
 *
 * A part that was not plainly appended (refused, an error, a lost reply) ends the overlap: everything under way is
 * waited for, and `recover` finds out from the streams what was written and writes the rest.
 */
export class Pipeline {
  readonly #leader: Leader;
  readonly #reader: LogReader;
  readonly #underWay: Batch[] = [];

  constructor(leader: Leader, reader: LogReader) {
    this.#leader = leader;
    this.#reader = reader;
  }

  /** Sends a batch behind those under way. Resolves as soon as no more than the allowed number are. */
  async send(batch: Batch): Promise<void> {
    const { streams, settings } = this.#leader;
    if (batch.parts.some((part) => streams.state(part.stream).expect === undefined)) {
      // A stream that this leader has not looked at: what stands there decides how to go on.
      await this.settle(0);
      await recover(this.#leader, [batch]);
    } else {
      for (const part of batch.parts) this.#sendPart(part);
    }
    this.#underWay.push(batch);
    await this.settle(settings.maxInFlight - 1);
  }

  /** Waits until at most `remaining` batches are under way; the others are written and recorded. */
  async settle(remaining: number): Promise<void> {
    while (this.#underWay.length > remaining) {
      const batch = this.#underWay[0];
      if (batch === undefined) return;
      if (!(await isAppended(batch, this.#leader.observer))) await recover(this.#leader, this.#underWay);
      await this.#record(batch);
      this.#underWay.shift();
    }
  }

  #sendPart(part: Part): void {
    const { writer, settings, streams } = this.#leader;
    const state = streams.state(part.stream);
    const expect = state.expect ?? { eventId: null, present: true };
    const entries = part.rows.map((row) => entryOf(row, settings.source));
    part.reply = writer.append(part.stream, { source: settings.source, expect, entries }).then(
      (result): Reply => ({ result }),
      (error: unknown): Reply => ({ error }),
    );
    state.expect = { eventId: lastEventId(part), present: true };
  }

  async #record(batch: Batch): Promise<void> {
    const { pool, epoch, streams, observer } = this.#leader;
    const written: WrittenPart[] = [];
    for (const part of batch.parts) {
      const eventId = lastEventId(part);
      if (eventId === null || part.lastId === undefined) continue;
      written.push({
        stream: part.stream,
        number: (streams.state(part.stream).newest?.number ?? 0) + 1,
        positions: toRanges(part.rows.map((row) => row.position)),
        events: part.rows.length,
        lastId: part.lastId,
        lastEventId: eventId,
      });
    }
    const xid = await recordProgress(pool, epoch, { ...batch, written });
    this.#reader.recorded(batch.noted, xid);
    for (const part of written) streams.state(part.stream).newest = part;
    observer.recorded(batch);
  }
}

async function isAppended(batch: Batch, observer: PublisherObserver): Promise<boolean> {
  for (const part of batch.parts) {
    if (part.lastId !== undefined) continue;
    const reply = await part.reply;
    if (reply === undefined || !('result' in reply)) return false;
    if (reply.result.outcome !== 'appended') {
      observer.refused(part.stream);
      return false;
    }
    part.lastId = reply.result.lastId;
  }
  return true;
}
