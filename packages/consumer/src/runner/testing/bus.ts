import { randomUUID } from 'node:crypto';
import { type RedisServer, startRedis, uniquePrefix } from '@event-bus/testkit';
import { ENTRY_FIELDS, type EventTransport, type GroupRef } from '@event-bus/transport';
import { createMemoryBroker } from '@event-bus/transport/memory';
import { createRedisTransport } from '@event-bus/transport/redis';

/** A broker with what tests do to it from outside. */
export interface TestBus {
  transport(): EventTransport;
  deleteStream(stream: string): Promise<void>;
  deleteGroup(ref: GroupRef): Promise<void>;
  flushAll(): Promise<void>;
  stop(): Promise<void>;
}

/** The kinds of broker on which a runner must behave in the same way. */
export const busKinds = ['memory', 'redis'] as const;

/** Starts a broker of one's own. */
export async function startBus(kind: (typeof busKinds)[number]): Promise<TestBus> {
  return kind === 'memory' ? memoryBus() : redisBus(await startRedis());
}

function memoryBus(): TestBus {
  const broker = createMemoryBroker();
  return {
    transport: () => broker.transport(),
    deleteStream: async (stream) => broker.deleteStream(stream),
    deleteGroup: async (ref) => broker.deleteGroup(ref),
    flushAll: async () => broker.flushAll(),
    stop: async () => undefined,
  };
}

/** A broker on a server that is there. */
export function redisBus(server: RedisServer): TestBus {
  const client = server.client();
  return {
    transport: () => createRedisTransport({ url: server.url, commandTimeoutMs: 30_000 }),
    async deleteStream(stream) {
      await client.del(stream);
    },
    async deleteGroup({ stream, group }) {
      await client.xgroup('DESTROY', stream, group);
    },
    async flushAll() {
      await client.flushall();
    },
    stop: () => server.stop(),
  };
}

/** One event as it stands in a stream. */
export interface TestEvent {
  readonly eventId: string;
  readonly aggregateId: string;
  readonly position: number;
  readonly type: string;
  readonly payload: string;
  /** The same in every duplicate: the inbox goes by it. */
  readonly occurredAt: string;
}

/** What is to be said of a new event. */
export type NewTestEvent = Pick<TestEvent, 'aggregateId'> & Partial<Pick<TestEvent, 'type' | 'payload'>>;

/** Writes events of one source to one stream, in the order of their positions. */
export function createTestPublisher(transport: EventTransport, stream: string, topic: string) {
  const writer = transport.writer();
  const source = 'test';
  let last: string | null = null;
  let position = 0;

  async function write(events: readonly TestEvent[], present = last !== null): Promise<void> {
    const values = events.map((event) => {
      const fields = entryOf(event, { source, topic });
      return ENTRY_FIELDS.map((name) => fields[name] ?? '');
    });
    const expect = { eventId: last, present };
    const result = await writer.append(stream, { source, expect, entries: values });
    if (result.outcome !== 'appended')
      throw new Error(`the test publisher was refused: ${JSON.stringify(result)}`);
    last = events.at(-1)?.eventId ?? last;
  }

  function draw(specs: readonly NewTestEvent[]): TestEvent[] {
    return specs.map((spec): TestEvent => {
      position += 1;
      return {
        type: `${topic}.happened`,
        payload: '{}',
        ...spec,
        eventId: randomUUID(),
        position,
        occurredAt: new Date().toISOString(),
      };
    });
  }

  async function publishEvents(...specs: readonly NewTestEvent[]): Promise<TestEvent[]> {
    const events = draw(specs);
    await write(events);
    return events;
  }

  return {
    publishEvents,
    /** New events that have their positions, and whose transactions are still open. */
    draw: (...aggregateIds: readonly string[]) => draw(aggregateIds.map((aggregateId) => ({ aggregateId }))),
    /** Writes events that were drawn. */
    write: (events: readonly TestEvent[]) => write(events),
    /** One new event per aggregate named. */
    publish: (...aggregateIds: readonly string[]) =>
      publishEvents(...aggregateIds.map((aggregateId) => ({ aggregateId }))),
    /** Writes events again after the server has forgotten everything. */
    async publishAgain(events: readonly TestEvent[]): Promise<void> {
      last = null;
      await write(events);
    },
    /** Writes events again after the stream was lost, and with it the entry that this publisher's mark names. */
    async publishAgainAfterStreamLoss(events: readonly TestEvent[]): Promise<void> {
      await write(events, false);
    },
    /** Writes events a second time, as a publisher does whose reply was lost. */
    repeat: (events: readonly TestEvent[]) => write(events),
    close: () => writer.close(),
  };
}

function entryOf(
  event: TestEvent,
  { source, topic }: { readonly source: string; readonly topic: string },
): Readonly<Record<string, string>> {
  return {
    event_id: event.eventId,
    source,
    position: String(event.position),
    event_type: event.type,
    event_version: '1',
    aggregate_type: topic,
    aggregate_id: event.aggregateId,
    tenant_id: 'tenant',
    actor_id: 'actor',
    occurred_at: event.occurredAt,
    payload: event.payload,
  };
}

/** A topic and its only stream, used by no other test. */
export function uniqueTopic(): { readonly topic: string; readonly stream: string } {
  const topic = uniquePrefix();
  return { topic, stream: `events:${topic}` };
}
