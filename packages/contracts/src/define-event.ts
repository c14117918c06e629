import type { z } from 'zod';
import type { Topic } from './define-topic.ts';
import { ContractDefinitionError } from './errors.ts';
import type { EventOf, NewEvent, ReceivedEvent } from './event.ts';
import { assertName } from './names.ts';

/** Lifts a payload from one version to the next. It must be pure, and throws if it cannot. */
export type Upcast = (payload: unknown) => unknown;

/** What is known of every event definition, whatever its payload. */
export interface AnyEventDefinition {
  readonly topic: Topic;
  readonly type: string;
  readonly version: number;
  readonly payload: z.ZodType;
  /** From version → the step to the version after it. */
  readonly upcast: Readonly<Record<number, Upcast>>;
}

/** One version of one event type. Called with the facts, it makes a `NewEvent` for `outbox.append`. */
export interface EventDefinition<
  Type extends string = string,
  Version extends number = number,
  Schema extends z.ZodType = z.ZodType,
  TopicName extends string = string,
> extends AnyEventDefinition {
  readonly topic: Topic<TopicName>;
  readonly type: Type;
  readonly version: Version;
  readonly payload: Schema;
  (input: NewEventInput<z.input<Schema>>): NewEvent<Type, z.input<Schema>, Version>;
}

/** The facts of one event. */
export interface NewEventInput<Payload> {
  readonly aggregateId: string;
  readonly tenantId: string;
  readonly actorId: string;
  readonly payload: Payload;
  readonly occurredAt?: Date | undefined;
  readonly eventId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly causationId?: string | undefined;
  /**
   * The event being handled while this one is made: it becomes the causation, and its correlation (or, if it is
   * the first of its chain, its id) is carried on. An id given explicitly takes precedence.
   */
  readonly causedBy?: Pick<ReceivedEvent, 'id' | 'correlationId'> | undefined;
}

/** What an event states besides its topic and type. */
export interface EventOptions<Version extends number, Schema extends z.ZodType> {
  /** 1 for a new event; one more for every incompatible change of its payload. */
  readonly version: Version;
  /**
   * Checked synchronously on both ends. Stored is what the producer passed in (`z.input`), not what the schema
   * made of it, because consumers parse the stored text with the same schema again.
   */
  readonly payload: Schema;
  readonly upcast?: Readonly<Record<number, Upcast>>;
}

// The column is a PostgreSQL integer.
const maxVersion = 2_147_483_647;

/**
 * Declares one version of an event. The result is frozen; it has no effect until it is in a catalogue.
 * @throws ContractDefinitionError for a type, a version or an upcast that cannot be used.
 */
export function defineEvent<
  TopicName extends string,
  const Type extends string,
  const Version extends number,
  Schema extends z.ZodType,
>(
  topic: Topic<TopicName>,
  type: Type,
  options: EventOptions<Version, Schema>,
): EventDefinition<Type, Version, Schema, TopicName> {
  assertName('event type', type);
  const { version, payload, upcast = {} } = options;
  if (!Number.isInteger(version) || version < 1 || version > maxVersion) {
    throw new ContractDefinitionError(`${type}: version must be a whole number from 1 on, not ${version}`);
  }
  for (const from of Object.keys(upcast)) {
    if (!/^[1-9]\d*$/.test(from) || Number(from) >= version) {
      throw new ContractDefinitionError(
        `${type} v${version}: an upcast starts at a version from 1 to ${version - 1}, not at ${from}`,
      );
    }
  }
  const create = (input: NewEventInput<z.input<Schema>>): NewEvent<Type, z.input<Schema>, Version> => {
    const { causedBy } = input;
    return Object.freeze({
      type,
      version,
      aggregateType: topic.name,
      aggregateId: input.aggregateId,
      tenantId: input.tenantId,
      actorId: input.actorId,
      payload: input.payload,
      occurredAt: input.occurredAt,
      eventId: input.eventId,
      correlationId: input.correlationId ?? causedBy?.correlationId ?? causedBy?.id,
      causationId: input.causationId ?? causedBy?.id,
    });
  };
  return Object.freeze(
    Object.assign(create, { topic, type, version, payload, upcast: Object.freeze({ ...upcast }) }),
  );
}

/** Whether a decoded event is of this definition, version included. */
export function isEventOf<Definition extends AnyEventDefinition>(
  definition: Definition,
  event: ReceivedEvent,
): event is EventOf<Definition> {
  return event.type === definition.type && event.version === definition.version;
}
