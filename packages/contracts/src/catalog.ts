import { decodeEntry } from './decode.ts';
import type { AnyEventDefinition } from './define-event.ts';
import type { Topic } from './define-topic.ts';
import type { EventEntry } from './entry.ts';
import { ContractDefinitionError } from './errors.ts';
import type { ReceivedEvent } from './event.ts';
import { createEventHistory, type EventHistory } from './event-history.ts';

/** All event types a program knows, in all their versions. */
export interface EventCatalog {
  readonly topics: readonly Topic[];
  /** Every version of every event, in the order given. */
  readonly definitions: readonly AnyEventDefinition[];
  find(type: string, version: number): AnyEventDefinition | undefined;
  /** The newest known version: the one that `decode` lifts every event of this type to. */
  latest(type: string): AnyEventDefinition | undefined;
  /**
   * Turns an entry into the event that handlers see: payload parsed, lifted to the newest version, checked.
   * The entry is one that `parseEntry` returned.
   * @throws UndecodableEventError, and nothing else, if that cannot be done.
   */
  decode(entry: EventEntry): ReceivedEvent;
}

/**
 * Puts definitions together. The result is frozen.
 * @throws ContractDefinitionError for definitions that contradict each other or leave a version without an upcast.
 */
export function createCatalog(definitions: readonly AnyEventDefinition[]): EventCatalog {
  const topics = collectTopics(definitions);
  const histories = new Map<string, EventHistory>();
  for (const [type, [first, ...others]] of Map.groupBy(definitions, (definition) => definition.type)) {
    if (first) histories.set(type, createEventHistory(type, first, others));
  }
  return Object.freeze({
    topics,
    definitions: Object.freeze([...definitions]),
    find: (type: string, version: number) => histories.get(type)?.versions.get(version),
    latest: (type: string) => histories.get(type)?.newest,
    decode: (entry: EventEntry) => decodeEntry(histories.get(entry.eventType), entry),
  });
}

function collectTopics(definitions: readonly AnyEventDefinition[]): readonly Topic[] {
  const topics = new Map<string, Topic>();
  for (const { topic } of definitions) {
    if (topics.has(topic.name) && topics.get(topic.name) !== topic) {
      throw new ContractDefinitionError(`topic ${topic.name} is defined twice; import the one definition`);
    }
    topics.set(topic.name, topic);
  }
  return Object.freeze([...topics.values()]);
}
