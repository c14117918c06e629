import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineEvent } from '../define-event.ts';
import { defineTopic } from '../define-topic.ts';
import { ContractDefinitionError } from '../errors.ts';
import { findIncompatibilities } from './compatibility.ts';
import { type EventSchema, type JsonObject, toEventSchema } from './json-schema.ts';

const topic = defineTopic('thing');

function schemaOf(payload: z.ZodType): EventSchema {
  return toEventSchema(defineEvent(topic, 'thing.done', { version: 1, payload }));
}

function problemsBetween(before: z.ZodType, now: z.ZodType): string[] {
  return findIncompatibilities([schemaOf(before)], [schemaOf(now)]).map(
    (found) => `${found.path} ${found.problem}`,
  );
}

describe('findIncompatibilities', () => {
  test('finds none between a schema and itself', () => {
    type Tree = { children: Tree[] };
    const tree: z.ZodType<Tree> = z.object({ children: z.lazy(() => z.array(tree)) });
    const schema = z.object({
      id: z.uuid(),
      at: z.iso.datetime().transform((text) => new Date(text)),
      state: z.enum(['on', 'off']).default('on'),
      size: z.int().min(1).max(9).nullable(),
      pair: z.tuple([z.string(), z.number()]),
      either: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a') }),
        z.strictObject({ kind: z.literal('b') }),
      ]),
      labels: z.record(z.string(), z.string()),
      tree,
    });

    expect(problemsBetween(schema, schema)).toEqual([]);
  });

  test('allows an optional property, at any depth, and other words about it', () => {
    const before = z.object({ a: z.string(), items: z.array(z.object({ sku: z.string() })) });
    const now = z.object({
      a: z.string().describe('now described'),
      b: z.int().optional(),
      c: z.string().default('x'),
      items: z.array(z.object({ sku: z.string(), price: z.object({ cents: z.int() }).optional() })),
    });

    expect(problemsBetween(before, now)).toEqual([]);
  });

  test('does not care about the order of properties', () => {
    const [a, b] = [z.string(), z.number()];

    expect(problemsBetween(z.object({ a, b }), z.object({ b, a }))).toEqual([]);
  });

  const a = z.string();
  test.each<[string, z.ZodType, z.ZodType, string]>([
    [
      'a removed property',
      z.object({ a }),
      z.object({}),
      'payload.a was removed; deployed consumers read it',
    ],
    [
      'a removed optional property',
      z.object({ a: a.optional() }),
      z.object({}),
      'payload.a was removed; deployed consumers read it',
    ],
    [
      'an added required property',
      z.object({}),
      z.object({ a }),
      'payload.a was added as required; stored events do not have it',
    ],
    [
      'a property made required',
      z.object({ a: a.optional() }),
      z.object({ a }),
      'payload.a became required; stored events may lack it',
    ],
    [
      'a property made optional',
      z.object({ a }),
      z.object({ a: a.optional() }),
      'payload.a became optional; deployed consumers require it',
    ],
    [
      'another type',
      z.object({ a: z.array(z.object({ b: a })) }),
      z.object({ a: z.array(z.object({ b: z.number() })) }),
      'payload.a[].b type changed from "string" to "number"',
    ],
    [
      'a lost enum value',
      z.object({ a: z.enum(['x', 'y']) }),
      z.object({ a: z.enum(['x']) }),
      'payload.a enum lost "y", which stored events may hold',
    ],
    [
      'a gained enum value',
      z.object({ a: z.enum(['x']) }),
      z.object({ a: z.enum(['x', 'y']) }),
      'payload.a enum gained "y", which deployed consumers refuse',
    ],
    [
      'a narrowed bound',
      z.object({ a: a.max(10) }),
      z.object({ a: a.max(9) }),
      'payload.a maxLength changed from 10 to 9: narrowed, stored events may lie outside',
    ],
    [
      'a new bound',
      z.object({ a: z.number() }),
      z.object({ a: z.number().min(1) }),
      'payload.a minimum changed from nothing to 1: narrowed, stored events may lie outside',
    ],
    [
      'a widened bound',
      z.object({ a: a.min(3) }),
      z.object({ a: a.min(1) }),
      'payload.a minLength changed from 3 to 1: widened, deployed consumers refuse what lies outside the old bound',
    ],
    [
      'closing an object',
      z.object({ a }),
      z.strictObject({ a }),
      'payload now refuses unknown properties, which stored events may have',
    ],
    [
      'opening an object',
      z.strictObject({ a }),
      z.object({ a }),
      'payload now accepts unknown properties, which deployed consumers refuse',
    ],
    [
      'a property added to a closed object',
      z.strictObject({}),
      z.strictObject({ a: a.optional() }),
      'payload.a was added; deployed consumers refuse unknown properties here',
    ],
    [
      'another value type of a record',
      z.record(a, z.string()),
      z.record(a, z.number()),
      'payload.* type changed from "string" to "number"',
    ],
    [
      'another default',
      z.object({ a: a.default('x') }),
      z.object({ a: a.default('y') }),
      'payload.a default changed from "x" to "y": stored events without this property would change their meaning',
    ],
    [
      'null allowed from now on',
      z.object({ a }),
      z.object({ a: a.nullable() }),
      'payload.a type gained "null", which deployed consumers refuse',
    ],
    [
      'another alternative of a union',
      z.union([z.object({ a }), z.object({ b: a })]),
      z.union([z.object({ a }), z.object({ b: z.number() })]),
      'payload.b type changed from "string" to "number"',
    ],
    [
      'one alternative more',
      z.union([z.object({ a }), z.strictObject({})]),
      z.union([z.object({ a }), z.strictObject({}), z.number()]),
      'payload its alternatives (anyOf) changed from 2 to 3',
    ],
    [
      'a keyword it does not understand',
      z.object({ a }),
      z.object({ a: a.meta({ contentEncoding: 'base64' }) }),
      'payload.a contentEncoding changed from nothing to "base64": cannot be shown to be compatible',
    ],
    [
      'another constant',
      z.object({ a: z.literal('x') }),
      z.object({ a: z.literal('y') }),
      'payload.a const changed from "x" to "y"',
    ],
    [
      'a tuple item of another type',
      z.tuple([a, a]),
      z.tuple([a, z.number()]),
      'payload[1] type changed from "string" to "number"',
    ],
  ])('reports %s', (_, before, now, problem) => {
    expect(problemsBetween(before, now)).toContain(problem);
  });

  test('reports another format', () => {
    const problems = problemsBetween(z.object({ a: z.email() }), z.object({ a: z.uuid() }));

    expect(problems).toContain('payload.a format changed from "email" to "uuid"');
  });

  test('reports an allOf that differs in any way', () => {
    const before = { type: 'thing.done', version: 1, schema: { allOf: [{ type: 'object' }] } };
    const now = { ...before, schema: { allOf: [{ type: 'object', properties: { c: {} } }] } };

    expect(findIncompatibilities([before], [now])).toHaveLength(1);
  });

  test('reports a version without a definition, and nothing for a new version', () => {
    const v1 = schemaOf(z.object({}));

    expect(findIncompatibilities([v1], [{ ...v1, version: 2 }])).toEqual([
      {
        type: 'thing.done',
        version: 1,
        path: 'payload',
        problem: 'is published, but has no definition any more',
      },
    ]);
    expect(findIncompatibilities([v1], [v1, { ...v1, version: 2 }])).toEqual([]);
  });

  test('accepts only changes after which old and new accept the same events', () => {
    const ajv = new Ajv2020({ strict: false });
    let compatibleChanges = 0;
    fc.assert(
      fc.property(
        objectSchema,
        objectSchema,
        fc.array(payloadValue, { minLength: 20, maxLength: 20 }),
        (old, now, values) => {
          const [before, after] = [asEvent(old), asEvent(now)];
          if (findIncompatibilities([before], [after]).length > 0) return;
          compatibleChanges += 1;
          const [acceptedBefore, acceptedNow] = [ajv.compile(old), ajv.compile(now)];
          const added = Object.keys(propertiesOf(now)).filter(
            (name) => !Object.hasOwn(propertiesOf(old), name),
          );
          for (const value of values) {
            // Stored events have no property that was not declared when they were appended.
            const stored = Object.fromEntries(
              Object.entries(value).filter(([name]) => !added.includes(name)),
            );
            if (acceptedBefore(stored)) expect(acceptedNow(stored)).toBe(true);
            if (acceptedNow(value)) expect(acceptedBefore(value)).toBe(true);
          }
        },
      ),
      { numRuns: 1_000 },
    );
    expect(compatibleChanges).toBeGreaterThan(10);
  });
});

describe('toEventSchema', () => {
  test('refuses a payload that JSON cannot hold', () => {
    expect(() => schemaOf(z.object({ at: z.date() }))).toThrow(ContractDefinitionError);
    expect(() => schemaOf(z.object({ at: z.date() }))).toThrow('thing.done v1 cannot be described as JSON');
  });
});

const propertySchema = fc.constantFrom<JsonObject>(
  { type: 'string' },
  { type: 'string', maxLength: 2 },
  { type: 'string', enum: ['a', 'b'] },
  { type: 'string', enum: ['a'] },
  { type: 'integer' },
  { type: ['integer', 'null'] },
  { type: 'integer', minimum: 1 },
  { anyOf: [{ type: 'string' }, { type: 'null' }] },
);
const names = ['a', 'b'] as const;
const objectSchema: fc.Arbitrary<JsonObject> = fc
  .record({
    properties: fc.dictionary(fc.constantFrom(...names), propertySchema, { noNullPrototype: true }),
    required: fc.subarray([...names]),
    additionalProperties: fc.constantFrom<boolean | undefined>(undefined, undefined, false),
  })
  .map(({ properties, required, additionalProperties }) => ({
    type: 'object',
    properties,
    required: required.filter((name) => Object.hasOwn(properties, name)),
    ...(additionalProperties === undefined ? {} : { additionalProperties }),
  }));
const payloadValue: fc.Arbitrary<Record<string, unknown>> = fc.dictionary(
  fc.constantFrom(...names),
  fc.constantFrom('a', 'b', 'abc', 0, 1, null),
  { noNullPrototype: true },
);

function propertiesOf(schema: JsonObject): object {
  const { properties } = schema;
  return typeof properties === 'object' && properties !== null ? properties : {};
}

function asEvent(schema: JsonObject): EventSchema {
  return { type: 'thing.done', version: 1, schema };
}
