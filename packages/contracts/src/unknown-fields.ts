import { z } from 'zod';
import type { ContractIssue } from './errors.ts';
import { formatPath } from './payload.ts';

/**
 * Finds fields that the schema does not name. Consumers drop them silently, so that an older consumer can read
 * what a newer producer adds; a producer that passes one has mistyped a name or is about to leak a column.
 * Not looked into: unions and intersections, and objects declared loose.
 */
export function findUnknownFields(schema: z.ZodType, payload: unknown): readonly ContractIssue[] {
  const issues: ContractIssue[] = [];
  visit(schema, payload, [], issues);
  return issues;
}

function visit(schema: unknown, value: unknown, path: readonly PropertyKey[], issues: ContractIssue[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (schema instanceof z.ZodObject) visitObject(schema, value, path, issues);
  else if (schema instanceof z.ZodArray) {
    for (const [index, item] of asArray(value).entries())
      visit(schema.def.element, item, [...path, index], issues);
  } else if (schema instanceof z.ZodTuple) {
    for (const [index, item] of asArray(value).entries()) {
      visit(schema.def.items[index] ?? schema.def.rest, item, [...path, index], issues);
    }
  } else if (schema instanceof z.ZodRecord) {
    for (const [key, item] of Object.entries(value))
      visit(schema.def.valueType, item, [...path, key], issues);
  } else if (schema instanceof z.ZodPipe) visit(schema.def.in, value, path, issues);
  else if (schema instanceof z.ZodLazy) visit(schema.def.getter(), value, path, issues);
  else if (isWrapper(schema)) visit(schema.def.innerType, value, path, issues);
}

function visitObject(
  schema: z.ZodObject,
  value: object,
  path: readonly PropertyKey[],
  issues: ContractIssue[],
): void {
  for (const [key, child] of Object.entries(value)) {
    if (Object.hasOwn(schema.def.shape, key)) visit(schema.def.shape[key], child, [...path, key], issues);
    else if (!schema.def.catchall) {
      issues.push({ path: formatPath([...path, key]), message: 'is not a field of this event' });
    }
  }
}

type Wrapper = { readonly def: { readonly innerType: unknown } };

function isWrapper(schema: unknown): schema is Wrapper {
  return (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodCatch ||
    schema instanceof z.ZodNonOptional ||
    schema instanceof z.ZodReadonly
  );
}

function asArray(value: object): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
