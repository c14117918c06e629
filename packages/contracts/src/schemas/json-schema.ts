import { z } from 'zod';
import type { AnyEventDefinition } from '../define-event.ts';
import { ContractDefinitionError } from '../errors.ts';

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object; a JSON Schema is one. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The published form of one version of one event. */
export interface EventSchema {
  readonly type: string;
  readonly version: number;
  readonly schema: JsonObject;
}

/** The file an event's schema is published in, within the schema folder. */
export function schemaFileName(type: string, version: number): string {
  return `${type}.v${version}.json`;
}

/** The event a schema file is named for, or undefined for a file of another kind. */
export function parseSchemaFileName(
  name: string,
): { readonly type: string; readonly version: number } | undefined {
  const [, type, version] = /^([a-z][a-z0-9_.-]*)\.v([1-9]\d*)\.json$/.exec(name) ?? [];
  return type && version ? { type, version: Number(version) } : undefined;
}

/**
 * Describes the payloads that a definition accepts, which are those that are stored. Refinements and transforms have no
 * counterpart in JSON Schema and are left out.
 * @throws ContractDefinitionError if the schema accepts something that JSON cannot hold, such as a Date.
 */
export function toEventSchema({ type, version, payload }: AnyEventDefinition): EventSchema {
  let schema: unknown;
  try {
    schema = z.toJSONSchema(payload, { io: 'input', target: 'draft-2020-12', unrepresentable: 'throw' });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ContractDefinitionError(`${type} v${version} cannot be described as JSON: ${reason}`, {
      cause,
    });
  }
  // The round trip drops what is not JSON: zod attaches its own non-enumerable properties.
  const plain = toJsonObject(JSON.parse(JSON.stringify(schema)));
  return { type, version, schema: { ...plain, title: `${type} v${version}` } };
}

/** JSON text that is the same for the same value: keys sorted, two spaces, a newline at the end. */
export function stableJson(value: Json): string {
  return `${JSON.stringify(sortKeys(value), null, 2)}\n`;
}

/** Takes a parsed value for a JSON object, or throws. */
export function toJsonObject(value: unknown): JsonObject {
  if (!isJsonObject(value)) throw new TypeError('not a JSON object');
  return value;
}

/** Whether a parsed JSON value is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a parsed JSON value is an array. */
export function isJsonArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

function sortKeys(value: Json): Json {
  if (isJsonArray(value)) return value.map(sortKeys);
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([key, child]): [string, Json] => [key, sortKeys(child)]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
