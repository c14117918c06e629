import type { AnyEventDefinition, Upcast } from './define-event.ts';
import type { Topic } from './define-topic.ts';
import { ContractDefinitionError } from './errors.ts';

/** All known versions of one event type and the steps between them. */
export interface EventHistory {
  readonly type: string;
  readonly topic: Topic;
  readonly newest: AnyEventDefinition;
  readonly versions: ReadonlyMap<number, AnyEventDefinition>;
  /** From version → the step to the version after it. */
  readonly steps: ReadonlyMap<number, Upcast>;
}

/**
 * Puts the versions of one event type together.
 * @throws ContractDefinitionError if a version is defined twice, two versions lie in different topics, two different
 * steps start at one version, or no chain of steps leads from a defined version to the newest.
 */
export function createEventHistory(
  type: string,
  first: AnyEventDefinition,
  others: readonly AnyEventDefinition[],
): EventHistory {
  const versions = new Map<number, AnyEventDefinition>();
  const steps = new Map<number, Upcast>();
  let newest = first;
  for (const definition of [first, ...others]) {
    if (versions.has(definition.version)) {
      throw new ContractDefinitionError(`${type} v${definition.version} is defined twice`);
    }
    if (definition.topic !== first.topic) {
      throw new ContractDefinitionError(
        `${type} is defined in two topics, ${first.topic.name} and ${definition.topic.name}, or in two definitions of one`,
      );
    }
    versions.set(definition.version, definition);
    addSteps(definition, steps);
    if (definition.version > newest.version) newest = definition;
  }
  const oldest = Math.min(...versions.keys());
  for (let from = oldest; from < newest.version; from += 1) {
    if (!steps.has(from)) {
      throw new ContractDefinitionError(
        `${type}: no upcast leads from version ${from} to ${from + 1}; add one to version ${newest.version}`,
      );
    }
  }
  return { type, topic: first.topic, newest, versions, steps };
}

function addSteps(definition: AnyEventDefinition, steps: Map<number, Upcast>): void {
  for (const [key, upcast] of Object.entries(definition.upcast)) {
    const from = Number(key);
    const known = steps.get(from);
    if (known && known !== upcast) {
      throw new ContractDefinitionError(
        `${definition.type}: two different upcasts start at version ${from}; keep the one that was released`,
      );
    }
    steps.set(from, upcast);
  }
}
