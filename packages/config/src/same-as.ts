import type { z } from 'zod';

const sources = new WeakMap<z.core.$ZodType, string>();

/** The same kind of value as another variable's, and that variable's value where this one is absent. */
export function sameAs<Schema extends z.ZodType>(variable: string, schema: Schema): Schema {
  const copy = schema.clone();
  sources.set(copy, variable);
  return copy;
}

/** The variable that stands in for an absent one of this schema, if there is one. */
export function sourceOf(schema: z.core.$ZodType): string | undefined {
  return sources.get(schema);
}
