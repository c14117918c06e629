import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type EventSchema,
  parseSchemaFileName,
  schemaFileName,
  stableJson,
  toJsonObject,
} from './json-schema.ts';

/** Where the schemas of the platform's events are published. */
export const schemaFolder = fileURLToPath(new URL('../../schemas', import.meta.url));

/**
 * Writes one file per event version and removes those of events that are not given. Files of any other name stay.
 */
export function writeSchemaFolder(folder: string, schemas: readonly EventSchema[]): void {
  mkdirSync(folder, { recursive: true });
  const written = new Set<string>();
  for (const { type, version, schema } of schemas) {
    const name = schemaFileName(type, version);
    writeFileSync(join(folder, name), stableJson(schema));
    written.add(name);
  }
  for (const name of readdirSync(folder)) {
    if (parseSchemaFileName(name) && !written.has(name)) rmSync(join(folder, name));
  }
}

/** Reads what {@link writeSchemaFolder} wrote; nothing if there is no such folder. */
export function readSchemaFolder(folder: string): readonly EventSchema[] {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => parseSchemaFile(name, () => readFileSync(join(folder, name), 'utf8')));
}

/** The schema in a file of that name: a list of one, or of none if the name is not that of a schema. */
export function parseSchemaFile(name: string, read: () => string): readonly EventSchema[] {
  const event = parseSchemaFileName(name);
  if (!event) return [];
  try {
    return [{ ...event, schema: toJsonObject(JSON.parse(read())) }];
  } catch (cause) {
    throw new Error(`${name} does not hold a JSON Schema; restore it from the last release`, { cause });
  }
}
