import type { ContractIssue } from './errors.ts';
import { formatPath } from './payload.ts';

// Deeper than any sensible payload, and far from where a JSON parser on the way runs out of stack.
const maxDepth = 128;

/**
 * Finds what would not be the same after a trip through JSON text: dates, NaN, bigints, maps, class instances,
 * holes in arrays, cycles. A property whose value is undefined is no hazard: it is the same as an absent one.
 */
export function findJsonHazards(payload: unknown): readonly ContractIssue[] {
  if (payload === undefined) return [{ path: 'payload', message: 'is missing' }];
  const issues: ContractIssue[] = [];
  visit(payload, [], new Set(), issues);
  return issues;
}

function visit(
  value: unknown,
  path: readonly PropertyKey[],
  above: Set<object>,
  issues: ContractIssue[],
): void {
  if (typeof value !== 'object' || value === null) {
    const hazard = describePrimitive(value);
    if (hazard) issues.push(hazardAt(path, hazard));
    return;
  }
  if (above.has(value)) {
    issues.push(hazardAt(path, 'a reference to an object that contains it'));
    return;
  }
  if (above.size >= maxDepth) {
    issues.push({ path: formatPath(path), message: `is nested more than ${maxDepth} levels deep` });
    return;
  }
  above.add(value);
  if (Array.isArray(value)) {
    // By index, because a hole is skipped by forEach and written as null by JSON.
    for (let index = 0; index < value.length; index += 1)
      visit(value[index], [...path, index], above, issues);
  } else if (isPlainObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      if (child !== undefined) visit(child, [...path, key], above, issues);
    }
  } else {
    issues.push(hazardAt(path, `a ${value.constructor?.name || 'class instance'}`));
  }
  above.delete(value);
}

function describePrimitive(value: unknown): string | undefined {
  if (value === undefined) return 'undefined';
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : String(value);
  if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') {
    return `a ${typeof value}`;
  }
  return undefined;
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    (prototype === Object.prototype || prototype === null) &&
    typeof Reflect.get(value, 'toJSON') !== 'function'
  );
}

function hazardAt(path: readonly PropertyKey[], what: string): ContractIssue {
  return {
    path: formatPath(path),
    message: `${what} does not survive JSON; a payload holds strings, finite numbers, booleans, null, arrays and plain objects`,
  };
}
