import {
  createCatalog,
  platformCatalog,
  userCreated,
  userCreatedV1,
  userRenamed,
} from '@event-bus/contracts';
import { createPool } from '@event-bus/database';
import { expect, test } from 'vitest';
import { assertConsumable } from './assert-consumable.ts';
import { defineConsumer, on } from './define-consumer.ts';

const pool = createPool({ url: 'postgres://127.0.0.1:1/none', applicationName: 'test', pipeline: true });

test('a consumer of the newest definitions of the catalogue passes', () => {
  const consumer = defineConsumer({ group: 'g', handlers: [on(userCreated, () => undefined)] });

  expect(() => assertConsumable(consumer, platformCatalog, pool)).not.toThrow();
});

test('an old version, a definition of another catalogue and a plain pool are refused with what to do', () => {
  const consumer = defineConsumer({
    group: 'g',
    handlers: [on(userCreatedV1, () => undefined), on(userRenamed, () => undefined)],
  });
  const plain = createPool({ url: 'postgres://127.0.0.1:1/none', applicationName: 'test' });

  expect(() => assertConsumable(consumer, platformCatalog, plain)).toThrow(
    /on\(user\.created\) is given version 1, but events arrive as version 2.*pipeline: true/,
  );
  expect(() => assertConsumable(consumer, createCatalog([userCreatedV1]), pool)).toThrow(
    /user\.renamed is not in the catalogue/,
  );
});
