import { isJsonArray, type Json } from './json-schema.ts';

/** One difference between two schemas that matters. */
export interface Difference {
  /** Where in the payload. */
  readonly path: string;
  readonly problem: string;
}

const lowerBounds = new Set([
  'minimum',
  'exclusiveMinimum',
  'minLength',
  'minItems',
  'minProperties',
  'minContains',
]);
const upperBounds = new Set([
  'maximum',
  'exclusiveMaximum',
  'maxLength',
  'maxItems',
  'maxProperties',
  'maxContains',
]);

/** Says whom a changed keyword breaks: stored events, deployed consumers, or (not understood) possibly both. */
export function* compareKeyword(
  keyword: string,
  before: Json | undefined,
  now: Json | undefined,
  path: string,
): Generator<Difference> {
  if ((keyword === 'enum' || keyword === 'type') && (isJsonArray(before) || isJsonArray(now))) {
    yield* compareSets(keyword, toList(before), toList(now), path);
    return;
  }
  const change = `${keyword} changed from ${show(before)} to ${show(now)}`;
  const bound = describeBound(keyword, before, now);
  if (bound) yield { path, problem: `${change}: ${bound}` };
  else if (keyword === 'type' || keyword === 'format' || keyword === 'pattern' || keyword === 'const') {
    yield { path, problem: change };
  } else if (keyword === 'default') {
    yield { path, problem: `${change}: stored events without this property would change their meaning` };
  } else yield { path, problem: `${change}: cannot be shown to be compatible` };
}

function* compareSets(
  keyword: string,
  before: readonly Json[] | undefined,
  now: readonly Json[] | undefined,
  path: string,
): Generator<Difference> {
  if (!before || !now) {
    yield { path, problem: `${keyword} changed from ${show(before)} to ${show(now)}` };
    return;
  }
  const [old, current] = [new Set(before.map(show)), new Set(now.map(show))];
  for (const value of old) {
    if (!current.has(value))
      yield { path, problem: `${keyword} lost ${value}, which stored events may hold` };
  }
  for (const value of current) {
    if (!old.has(value))
      yield { path, problem: `${keyword} gained ${value}, which deployed consumers refuse` };
  }
}

function describeBound(keyword: string, before: Json | undefined, now: Json | undefined): string | undefined {
  const isLower = lowerBounds.has(keyword);
  if (!isLower && !upperBounds.has(keyword)) return undefined;
  const none = isLower ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const rise = Number(now ?? none) - Number(before ?? none);
  const narrowed = isLower ? rise > 0 : rise < 0;
  return narrowed
    ? 'narrowed, stored events may lie outside'
    : 'widened, deployed consumers refuse what lies outside the old bound';
}

function toList(value: Json | undefined): readonly Json[] | undefined {
  if (value === undefined) return undefined;
  return isJsonArray(value) ? value : [value];
}

function show(value: Json | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
