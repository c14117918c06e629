import { randomUUID } from 'node:crypto';

/** The topic of all events of the bench. */
export const topic = 'user';

/** The stream of that topic. */
export const stream = `events:${topic}`;

/** How many different aggregates the events belong to. */
export const aggregates = 1_000;

/** Of what fills up a payload: makes payloads of about 290 bytes. */
export const fillingBytes = 220;

const filling = 'x'.repeat(fillingBytes);

/** The payload of the event with this number, as JSON text. */
export function payloadOf(number: number, filled = filling): string {
  return JSON.stringify({ email: `user-${number}@bench.example`, name: `somebody ${number} ${filled}` });
}

/** Which aggregate an event belongs to. */
export function aggregateOf(number: number): string {
  return `user-${number % aggregates}`;
}

/** What of the events that fill a table or a stream differs between questions. */
export interface Filling {
  /** Bytes that fill up each payload. */
  readonly filling?: number | undefined;
  /** Whether they belong to traces, of which a few are sampled. */
  readonly traced?: boolean;
}

/** Of so many traces one is sampled. */
export const sampledEvery = 100;

/** The trace that the event with this number belongs to. */
function traceparentOf(number: number): string {
  const hex = number.toString(16);
  const flags = number % sampledEvery === 0 ? '01' : '00';
  return `00-${hex.padStart(32, '0')}-${hex.padStart(16, '0')}-${flags}`;
}

/** An event as the fields and values of a stream entry. */
function fieldsOf(number: number, payload = payloadOf(number), traceparent = '') {
  return {
    event_id: randomUUID() as string,
    source: 'bench',
    position: String(number),
    event_type: 'user.created',
    event_version: '2',
    aggregate_type: topic,
    aggregate_id: aggregateOf(number),
    tenant_id: `tenant-${number % 20}`,
    actor_id: 'bench',
    occurred_at: '2026-01-01T10:00:00.123456Z',
    payload,
    traceparent,
    tracestate: '',
    correlation_id: '',
    causation_id: '',
  };
}

/** An event as a flat list of the fields and values of a stream entry, as XADD takes it. */
export function entryOf(number: number, payload = payloadOf(number), traced = false): string[] {
  return Object.entries(fieldsOf(number, payload, traced ? traceparentOf(number) : '')).flat();
}

/** An event as an object, as brokers and job queues carry it. */
export type Message = Omit<ReturnType<typeof fieldsOf>, 'payload'> & {
  readonly payload: { readonly name: string };
};

/** The event with this number for brokers and job queues. */
export function messageOf(number: number): Message {
  return { ...fieldsOf(number), payload: JSON.parse(payloadOf(number)) as Message['payload'] };
}

/** What such an event is as a stream entry. */
export function entryOfMessage(message: Message): string[] {
  return Object.entries({ ...message, payload: JSON.stringify(message.payload) }).flat();
}
