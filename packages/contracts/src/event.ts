import type { z } from 'zod';

/**
 * An event to be appended: plain data, made by calling an event definition (or by hand, from JSON for instance).
 * It promises nothing yet: `validateNewEvent` decides whether it may enter the outbox.
 */
export interface NewEvent<Type extends string = string, Payload = unknown, Version extends number = number> {
  readonly type: Type;
  readonly version: Version;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly tenantId: string;
  readonly actorId: string;
  readonly payload: Payload;
  /** When it happened; left out, the database's clock at the start of the transaction. */
  readonly occurredAt?: Date | undefined;
  /** Left out, the database draws one. */
  readonly eventId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
}

/** An event as a handler sees it: in the newest version this program knows, payload checked and typed. */
export interface ReceivedEvent<
  Type extends string = string,
  Payload = unknown,
  Version extends number = number,
> {
  /** The same in every duplicate and replay: the key for idempotence. */
  readonly id: string;
  /** The outbox it comes from. */
  readonly source: string;
  /** Its place in the source's log; grows along the events of one aggregate. */
  readonly position: bigint;
  readonly type: Type;
  /** The version of `payload` here, after upcasting; not necessarily the one that was appended. */
  readonly version: Version;
  readonly aggregateType: string;
  readonly aggregateId: string;
  readonly tenantId: string;
  readonly actorId: string;
  /** To the millisecond. */
  readonly occurredAt: Date;
  /** The same instant as the database wrote it, to the microsecond. */
  readonly occurredAtText: string;
  readonly payload: Payload;
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** Shared by all events that follow from one first cause. */
  readonly correlationId?: string;
  /** The event whose handling made this one. */
  readonly causationId?: string;
  /** Present if this is a replay of history and not live traffic. */
  readonly replay?: { readonly id: string };
}

/** The part of a definition that types are inferred from. */
interface TypedDefinition {
  readonly type: string;
  readonly version: number;
  readonly payload: z.ZodType;
}

/** The event that handlers of a definition receive: `EventOf<typeof userCreated>`. Distributes over unions. */
export type EventOf<Definition extends TypedDefinition> = Definition extends TypedDefinition
  ? ReceivedEvent<Definition['type'], z.output<Definition['payload']>, Definition['version']>
  : never;
