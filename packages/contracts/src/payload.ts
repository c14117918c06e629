import { z } from 'zod';
import type { ContractIssue } from './errors.ts';

/** A payload as its schema sees it, or every fault the schema found in it. */
export type ParsedPayload =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly issues: readonly ContractIssue[]; readonly cause?: unknown };

/** Parses a payload. A schema that throws (a faulty refinement, an asynchronous one) counts as a refusal. */
export function parsePayload(schema: z.ZodType, payload: unknown): ParsedPayload {
  try {
    const result = schema.safeParse(payload);
    if (result.success) return { ok: true, value: result.data };
    return { ok: false, issues: toIssues(result.error) };
  } catch (cause) {
    return {
      ok: false,
      issues: [{ path: 'payload', message: `the schema threw: ${describeThrown(cause)}` }],
      cause,
    };
  }
}

/** What an upcast or a schema threw, in one line. */
export function describeThrown(thrown: unknown): string {
  if (!(thrown instanceof z.ZodError)) return String(thrown);
  return toIssues(thrown)
    .map((issue) => `${issue.path}: ${issue.message}`)
    .join('; ');
}

/** `['items', 0, 'unit price']` → `payload.items[0]["unit price"]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => {
    if (typeof step === 'number') return `[${step}]`;
    const key = String(step);
    return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
  });
  return `payload${steps.join('')}`;
}

function toIssues(error: z.ZodError): readonly ContractIssue[] {
  return error.issues.map((issue) => ({ path: formatPath(issue.path), message: issue.message }));
}
