import { type BusDatabase, clockOf, createDatabase, createPool } from '@event-bus/database';
import { createPolicies } from '@event-bus/operations';
import { eventually } from '@event-bus/testkit';
import type { Kysely } from 'kysely';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { createExpiry } from './expire.ts';
import { createSweeper } from './sweeper.ts';
import { createStage, type Stage, stream } from './testing.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

const { signal } = new AbortController();
const policyOf = createPolicies([]);

async function openBus(): Promise<Kysely<BusDatabase>> {
  const bus = createDatabase(createPool({ url: stage.database.url, applicationName: 'test' }));
  // One that is destroyed before its first query still connects.
  await clockOf(bus);
  return bus;
}

describe('a bus that is away', () => {
  test('when expiry asks for its streams is told', async () => {
    const bus = await openBus();
    await bus.destroy();

    await createExpiry({ ...stage.parts, bus, policyOf })(signal);

    expect(stage.logs).toMatchObject([{ level: 'error', step: 'plan' }]);
  });

  test('when expiry asks it for the time is told, and nothing is deleted', async () => {
    const bus = await openBus();
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    const hold = stage.s3.inject({ kind: 'hold', until }, { operation: 'PutBucketLifecycleConfiguration' });
    const expiring = createExpiry({ ...stage.parts, bus, policyOf })(signal);
    await eventually(() => hold.hits() === 1);
    await bus.destroy();

    goOn();
    await expiring;

    expect(stage.logs).toMatchObject([{ level: 'error', step: 'plan' }]);
    const asked = stage.s3.requests().map(({ operation }) => operation);
    expect(asked).toContain('PutBucketLifecycleConfiguration');
    expect(asked).not.toContain('ListObjectsV2');
  });

  test('when a sweep begins is told', async () => {
    const bus = await openBus();
    await bus.destroy();

    await expect(createSweeper({ ...stage.parts, bus, policyOf })(stream, signal)).rejects.toThrow();

    expect(stage.logs).toMatchObject([
      { level: 'error', stream, msg: expect.stringContaining('a sweep failed') as string },
    ]);
  });
});
