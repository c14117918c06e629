import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createStage, type Stage, stream, whole } from './testing.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

async function publish(count: number): Promise<void> {
  await stage.append(count);
  const isThrough = async () => {
    const last = await stage.client.xrevrange(stream, '+', '-', 'COUNT', 1);
    const { rows } = await stage.database.pool.query<{ n: string }>(
      `select count(*)::text as n from outbox_status where status <> 'published'`,
    );
    return last.length > 0 && rows[0]?.n === '0';
  };
  await eventually(isThrough, { timeoutMs: 60_000 });
}

class KilledError extends Error {}

/**
 * Sweeps like a process that is killed after so many steps, which are its calls and their answers: from then on nothing it
 * does has an effect. Says whether it got to its end before.
 */
async function sweep(lastStep: number): Promise<boolean> {
  let steps = 0;
  const step = () => {
    steps += 1;
    if (steps > lastStep) throw new KilledError();
  };
  const counted = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          step();
          const answer: unknown = Reflect.apply(value, object, args);
          return answer instanceof Promise ? answer.finally(step) : answer;
        };
      },
    });
  const { bus, store, streams, trimmer } = stage.parts;
  try {
    await stage.sweep(
      {},
      {
        bus: bus.withPlugin({
          transformQuery({ node }) {
            step();
            return node;
          },
          async transformResult({ result }) {
            step();
            return result;
          },
        }),
        store: counted(store),
        streams: counted(streams),
        trimmer: counted(trimmer),
        maxObjectBytes: 16 * 1024,
      },
    );
    return true;
  } catch (error) {
    if (error instanceof KilledError) return false;
    throw error;
  }
}

test('a sweep may be killed at every step: nothing is lost, and the next ones bring it to its end', async () => {
  stage.startPublisher();
  await stage.join('mail');
  let steps = 0;
  for (let isComplete = false; !isComplete; steps += 1) {
    // Something to archive and to trim in each of them.
    await publish(3);
    await stage.settle('mail');
    isComplete = await sweep(steps);
    expect(await stage.union()).toEqual(whole);
  }
  expect(steps).toBeGreaterThan(30);

  await stage.sweep();

  expect(await stage.standing()).toHaveLength(1);
  expect(await stage.union()).toEqual(whole);
});

test('archivers that are killed all the time, beside a publisher and a consumer at work, lose nothing and repeat nothing', async () => {
  stage.startPublisher();
  await stage.join('mail');
  const env = {
    RETENTION: '*.hot=1s,*.cold=1d',
    ARCHIVE_EVERY: '200ms',
    WATCH_EVERY: '500ms',
    ARCHIVE_OBJECT_BYTES: '64KiB',
  };
  const first = await stage.spawn('retention-archiver', env);
  const until = performance.now() + 4_000;
  const work = async (run: () => Promise<void>) => {
    while (performance.now() < until) await run();
  };
  await Promise.all([
    work(() => stage.append(100)),
    work(() => stage.settle('mail', 500)),
    (async () => {
      let current = first;
      while (performance.now() < until) {
        current.kill();
        await current.exited;
        current = await stage.spawn('retention-archiver', env);
      }
    })(),
  ]);

  await publish(1);
  await stage.settle('mail');
  await eventually(async () => (await stage.client.xlen(stream)) === 1);
  expect(await stage.union()).toEqual(whole);
  const ids = (await stage.archived()).map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const events = (await stage.archived()).map(({ fields }) => fields.event_id);
  expect(new Set(events).size).toBe(events.length);
});
