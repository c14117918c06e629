import type { EventCatalog } from '@event-bus/contracts';
import type pg from 'pg';
import type { ConsumerDefinition } from './define-consumer.ts';
import { ConsumerDefinitionError } from './errors.ts';

/**
 * Checks that a consumer fits the catalogue and the pool it is to run with.
 * @throws ConsumerDefinitionError naming everything that does not.
 */
export function assertConsumable(consumer: ConsumerDefinition, catalog: EventCatalog, pool: pg.Pool): void {
  const faults: string[] = [];
  for (const { definition } of consumer.handlings.values()) {
    const { type, version } = definition;
    const newest = catalog.latest(type);
    if (newest === undefined) {
      faults.push(`${type} is not in the catalogue: add its definition`);
    } else if (newest.version !== version) {
      faults.push(
        `on(${type}) is given version ${version}, but events arrive as version ${newest.version}, the newest in the catalogue: use that definition`,
      );
    } else if (newest !== definition) {
      faults.push(`${type} v${version} is another definition than the catalogue's: import that one`);
    }
  }
  if (pool.options.pipeline !== true) faults.push('its pool must be created with `pipeline: true`');
  if (faults.length > 0) throw new ConsumerDefinitionError(consumer.group, faults);
}
