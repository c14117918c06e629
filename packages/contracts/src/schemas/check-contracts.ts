import { findIncompatibilities } from './compatibility.ts';
import { type EventSchema, schemaFileName, stableJson } from './json-schema.ts';

/** The three states of the contracts that must agree. */
export interface ContractStates {
  /** As deployed programs know them. */
  readonly published: readonly EventSchema[];
  /** As the schema folder of this working tree has them. */
  readonly folder: readonly EventSchema[];
  /** As the code defines them. */
  readonly current: readonly EventSchema[];
}

/** Every reason to refuse a change of the contracts, each with what to do about it. Empty if there is none. */
export function checkContracts({ published, folder, current }: ContractStates): readonly string[] {
  return [...describeIncompatibilities(published, current), ...describeStaleFiles(folder, current)];
}

function describeIncompatibilities(
  published: readonly EventSchema[],
  current: readonly EventSchema[],
): string[] {
  const defined = new Set(current.map(nameOf));
  return findIncompatibilities(published, current).map((found) => {
    const advice = defined.has(nameOf(found))
      ? `leave version ${found.version} as it was, define version ${found.version + 1} and add an upcast from ${found.version}`
      : 'put the definition back: stored events of it must stay readable';
    return `${nameOf(found)}: ${found.path}: ${found.problem} (${advice})`;
  });
}

function describeStaleFiles(folder: readonly EventSchema[], current: readonly EventSchema[]): string[] {
  const files = new Map(folder.map((event) => [nameOf(event), event]));
  const defined = new Set(current.map(nameOf));
  const outdated = current.flatMap((event) => {
    const file = files.get(nameOf(event));
    if (!file) return [`${nameOf(event)}: has no schema file; ${exportAdvice}`];
    if (stableJson(file.schema) === stableJson(event.schema)) return [];
    return [
      `${nameOf(event)}: ${schemaFileName(event.type, event.version)} is not what the code defines; ${exportAdvice}`,
    ];
  });
  const orphans = folder
    .filter((event) => !defined.has(nameOf(event)))
    .map(
      (event) =>
        `${nameOf(event)}: ${schemaFileName(event.type, event.version)} has no definition; restore the definition`,
    );
  return [...outdated, ...orphans];
}

const exportAdvice = 'run "npm run contracts" and commit what it writes';

function nameOf({ type, version }: { readonly type: string; readonly version: number }): string {
  return `${type} v${version}`;
}
