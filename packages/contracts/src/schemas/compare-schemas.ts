import { compareKeyword, type Difference } from './compare-keyword.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, stableJson } from './json-schema.ts';

// They say nothing about which values are valid.
const annotations = new Set(['title', 'description', 'examples', 'deprecated', '$id', '$comment', 'id']);
const namesRestrictedBy = ['patternProperties', 'propertyNames', 'maxProperties', 'unevaluatedProperties'];
const alternatives = new Set(['anyOf', 'oneOf', 'prefixItems']);
const objectKeywords = new Set(['properties', 'required', 'additionalProperties']);

/** Every difference between two JSON Schemas that makes one accept what the other refuses, or may do so. */
export function compareSchemas(before: JsonObject, now: JsonObject): readonly Difference[] {
  return [...compare(before, now, 'payload')];
}

function* compare(before: Json | undefined, now: Json | undefined, path: string): Generator<Difference> {
  if (!isJsonObject(before) || !isJsonObject(now)) {
    if (!same(before, now)) yield { path, problem: `changed from ${show(before)} to ${show(now)}` };
    return;
  }
  yield* compareProperties(before, now, path);
  yield* compareRequired(before, now, path);
  yield* compareOtherProperties(before, now, path);
  const keywords = new Set([...Object.keys(before), ...Object.keys(now)]);
  for (const keyword of keywords) {
    if (annotations.has(keyword) || objectKeywords.has(keyword)) continue;
    const [old, current] = [before[keyword], now[keyword]];
    if (same(old, current)) continue;
    if (keyword === 'items' && isJsonObject(old) && isJsonObject(current))
      yield* compare(old, current, `${path}[]`);
    else if (alternatives.has(keyword) && isJsonArray(old) && isJsonArray(current))
      yield* compareAlternatives(keyword, old, current, path);
    else if (keyword === '$defs') yield* compareDefinitions(old, current, path);
    else yield* compareKeyword(keyword, old, current, path);
  }
}

function* compareProperties(before: JsonObject, now: JsonObject, path: string): Generator<Difference> {
  const [old, current] = [objectAt(before, 'properties'), objectAt(now, 'properties')];
  const required = namesAt(now, 'required');
  for (const name of new Set([...Object.keys(old), ...Object.keys(current)])) {
    const at = `${path}.${name}`;
    if (!Object.hasOwn(current, name)) {
      yield { path: at, problem: 'was removed; deployed consumers read it' };
    } else if (Object.hasOwn(old, name)) {
      yield* compare(old[name], current[name], at);
    } else if (required.has(name)) {
      yield { path: at, problem: 'was added as required; stored events do not have it' };
    } else if (!acceptsNewNames(before)) {
      yield { path: at, problem: 'was added; deployed consumers refuse unknown properties here' };
    }
  }
}

function* compareRequired(before: JsonObject, now: JsonObject, path: string): Generator<Difference> {
  const [oldRequired, required] = [namesAt(before, 'required'), namesAt(now, 'required')];
  const [old, current] = [objectAt(before, 'properties'), objectAt(now, 'properties')];
  for (const name of new Set([...oldRequired, ...required])) {
    // A property that came or went is reported as such.
    if (oldRequired.has(name) === required.has(name)) continue;
    if (Object.hasOwn(old, name) !== Object.hasOwn(current, name)) continue;
    yield {
      path: `${path}.${name}`,
      problem: required.has(name)
        ? 'became required; stored events may lack it'
        : 'became optional; deployed consumers require it',
    };
  }
}

function* compareOtherProperties(before: JsonObject, now: JsonObject, path: string): Generator<Difference> {
  const [old, current] = [before.additionalProperties ?? true, now.additionalProperties ?? true];
  if (isOpen(before) && isOpen(now)) return;
  if (isOpen(before) && current === false) {
    yield { path, problem: 'now refuses unknown properties, which stored events may have' };
  } else if (old === false && isOpen(now)) {
    yield { path, problem: 'now accepts unknown properties, which deployed consumers refuse' };
  } else yield* compare(old, current, `${path}.*`);
}

function* compareAlternatives(
  keyword: string,
  before: readonly Json[],
  now: readonly Json[],
  path: string,
): Generator<Difference> {
  if (before.length !== now.length) {
    yield { path, problem: `its alternatives (${keyword}) changed from ${before.length} to ${now.length}` };
    return;
  }
  for (const [index, alternative] of before.entries()) {
    yield* compare(alternative, now[index], keyword === 'prefixItems' ? `${path}[${index}]` : path);
  }
}

function* compareDefinitions(
  before: Json | undefined,
  now: Json | undefined,
  path: string,
): Generator<Difference> {
  const [old, current] = [isJsonObject(before) ? before : {}, isJsonObject(now) ? now : {}];
  for (const name of Object.keys(old)) yield* compare(old[name], current[name], `${path}.$defs.${name}`);
}

function isOpen(schema: JsonObject): boolean {
  const rest = schema.additionalProperties ?? true;
  return rest === true || (isJsonObject(rest) && Object.keys(rest).length === 0);
}

function acceptsNewNames(schema: JsonObject): boolean {
  return isOpen(schema) && !namesRestrictedBy.some((keyword) => Object.hasOwn(schema, keyword));
}

function objectAt(schema: JsonObject, key: string): JsonObject {
  const value = schema[key];
  return isJsonObject(value) ? value : {};
}

function namesAt(schema: JsonObject, key: string): ReadonlySet<string> {
  const value = schema[key];
  return new Set(isJsonArray(value) ? value.map(String) : []);
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return stableJson(a) === stableJson(b);
}

function show(value: Json | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
