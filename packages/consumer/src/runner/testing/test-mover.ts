import type { BusDatabase } from '@event-bus/database';
import { type GiveUpEnd, giveUp, type Letter, noteInjected } from '@event-bus/inbox';
import type { EventTransport, GroupRef, PendingEntry } from '@event-bus/transport';
import type { Kysely } from 'kysely';

const idle = { minIdleMs: 0, count: 1_000 };

/**
 * Does by hand what the mover of dead letters and operators do: gives up what waits for it, moves it, and has it handled
 * again.
 */
export function createTestMover(parts: {
  readonly db: Kysely<BusDatabase>;
  readonly transport: EventTransport;
  readonly stream: string;
}) {
  const { db, transport, stream } = parts;
  const mover = transport.mover();

  async function givenUp(ref: GroupRef, maxDeliveries = 1_000): Promise<readonly PendingEntry[]> {
    return (await mover.givenUp(ref, { ...idle, maxDeliveries })).entries;
  }

  /** The first step: from here on the event is dead for the inbox. */
  async function settle(ref: GroupRef, entry: PendingEntry): Promise<GiveUpEnd> {
    return giveUp(db, letterOf(ref, entry));
  }

  async function move(ref: GroupRef, entry: PendingEntry): Promise<void> {
    const { failure, fields } = entry;
    await mover.deadLetter(
      ref,
      { id: entry.id, eventId: fields?.event_id ?? '' },
      {
        dlq_original_id: entry.id,
        dlq_group: ref.group,
        dlq_reason: failure?.reason ?? '',
        dlq_error: failure?.error ?? '',
        dlq_deliveries: String(entry.deliveries),
        dlq_first_delivered_at: '',
        dlq_dead_lettered_at: new Date().toISOString(),
        dlq_consumer: entry.consumer,
      },
    );
  }

  return {
    givenUp,
    settle,
    /** Both steps for all that waits for them now. Returns how each ended. */
    async sweep(group: string, maxDeliveries?: number): Promise<GiveUpEnd[]> {
      const ends: GiveUpEnd[] = [];
      for (const ref of [{ stream, group }, { stream, group, injected: true } as const]) {
        for (const entry of await givenUp(ref, maxDeliveries)) {
          const end = await settle(ref, entry);
          ends.push(end);
          if (end === 'dead') await move(ref, entry);
        }
      }
      return ends;
    },
    /** Asks for dead events to be handled again, all of the group or those named, and injects them. */
    async redrive(group: string, eventIds?: readonly string[]): Promise<void> {
      await db
        .updateTable('dead_letters')
        .set({ state: 'redriving' })
        .where('consumer_group', '=', group)
        .where('state', '=', 'dead')
        .$if(eventIds !== undefined, (query) => query.where('event_id', 'in', eventIds ?? []))
        .execute();
      await this.inject(group);
    },
    /** Injects what is to be handled again. With `anew`, though it may stand there. */
    async inject(group: string, { anew = false } = {}): Promise<void> {
      const letters = await db
        .selectFrom('dead_letters')
        .select(['event_id', 'replay_id', 'fields', 'inject_id', 'dlq_id'])
        .where('consumer_group', '=', group)
        .where('stream', '=', stream)
        .where('state', '=', 'redriving')
        .orderBy('position')
        .execute();
      const ids = await mover.inject(
        { stream, group },
        letters.map((letter) => ({
          fields: letter.fields,
          replayId: letter.replay_id,
          injectId: anew ? undefined : (letter.inject_id ?? undefined),
          deadLetterId: letter.dlq_id ?? undefined,
        })),
      );
      await noteInjected(
        db,
        letters.map((letter, index) => ({
          group,
          eventId: letter.event_id,
          replayId: letter.replay_id,
          injectId: ids[index] ?? '',
        })),
      );
    },
    /** Injects entries as a replay does. */
    async replay(group: string, replayId: string, entries: readonly Readonly<Record<string, string>>[]) {
      await mover.inject(
        { stream, group },
        entries.map((fields) => ({ fields, replayId })),
      );
    },
  };
}

function letterOf({ group, stream, injected }: GroupRef, entry: PendingEntry): Letter {
  const fields = entry.fields ?? {};
  const { failure } = entry;
  return {
    group,
    eventId: fields.event_id ?? '',
    replayId: fields.replay_id ?? '',
    occurredAt: fields.occurred_at ?? '',
    stream,
    streamId: entry.id,
    injected: injected === true,
    kind: failure?.final === true ? failure.kind : 'crashed',
    reason: failure?.reason ?? '',
    error: failure?.error ?? '',
    stack: failure?.stack ?? '',
    fingerprint: '',
    attempts: failure?.attempts ?? 0,
    history: failure?.history ?? [],
    deliveries: entry.deliveries,
    consumer: entry.consumer,
    firstDeliveredAt: failure?.firstDeliveredAt ?? Date.now(),
    fields,
  };
}
