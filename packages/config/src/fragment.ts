import { z } from 'zod';

/** What a parser answers when the text is not what it should be: the reason, without the text itself. */
export interface Problem {
  readonly problem: string;
}

/** A zod schema for the text of one environment variable. */
export type Fragment<Value> = z.ZodPipe<z.ZodString, z.ZodTransform<Value, string>>;

/**
 * A fragment from a parser. Whatever is wrong, the fault carries the example. Values are never quoted in a
 * fault: any variable can hold a secret by mistake.
 */
export function fragment<Value>(spec: {
  readonly example: string;
  readonly parse: (text: string) => { readonly value: Value } | Problem;
}): Fragment<Value> {
  return z
    .string({ error: () => `is missing (example: ${spec.example})` })
    .transform((text, context): Value => {
      const result = spec.parse(text.trim());
      if ('value' in result) return result.value;
      context.addIssue({ code: 'custom', message: `${result.problem} (example: ${spec.example})` });
      return z.NEVER;
    });
}
