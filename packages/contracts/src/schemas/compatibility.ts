import { compareSchemas } from './compare-schemas.ts';
import type { EventSchema } from './json-schema.ts';

/** One reason why a published version of an event cannot be replaced by what is defined now. */
export interface Incompatibility {
  readonly type: string;
  readonly version: number;
  /** Where in the payload; `payload` for the whole. */
  readonly path: string;
  readonly problem: string;
}

/**
 * Compares published schemas with the current ones of the same type and version.
 *
 * A published version is compatible with its current form if everything stored under it is still accepted, and
 * everything appended from now on is accepted by consumers that were deployed before. So little may change: titles
 * and descriptions, and optional properties added to an open object. Whatever else differs, understood or not, is
 * reported. What JSON Schema cannot say (refinements, transforms) is not seen.
 */
export function findIncompatibilities(
  published: readonly EventSchema[],
  current: readonly EventSchema[],
): readonly Incompatibility[] {
  const currentByKey = new Map(current.map((event) => [`${event.type} v${event.version}`, event]));
  return published.flatMap((before) => {
    const { type, version } = before;
    const now = currentByKey.get(`${type} v${version}`);
    if (!now) {
      return [{ type, version, path: 'payload', problem: 'is published, but has no definition any more' }];
    }
    return compareSchemas(before.schema, now.schema).map(({ path, problem }) => ({
      type,
      version,
      path,
      problem,
    }));
  });
}
