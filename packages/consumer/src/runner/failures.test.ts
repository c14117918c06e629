import type { Delivery, FailureRecord } from '@event-bus/transport';
import { describe, expect, it } from 'vitest';
import type { Settlement } from '../settlement.ts';
import { recordOf } from './failures.ts';
import { type Held, toHeld } from './held.ts';

type Failed = Parameters<typeof recordOf>[2];

const delivery: Delivery = {
  stream: 'events:user',
  id: '1-1',
  deliveries: 1,
  fields: { event_id: 'e-1', aggregate_type: 'user', aggregate_id: 'u-1' },
};
const group = { group: 'g', ordering: 'none' } as const;
const threw = (message: string): Failed => ({
  kind: 'failed',
  counted: true,
  reason: 'error',
  error: new Error(message),
  delayMs: 0,
});
const givenUp = (why: Extract<Settlement, { kind: 'given-up' }>['why']): Failed => ({
  kind: 'given-up',
  why,
  reason: 'its reason',
  error: new Error(why),
});
const counts = { isOwn: false, counted: true, delayMs: 0 };
const costsNothing = { isOwn: false, counted: false, delayMs: 0 };

/** The records that a series of failures leaves, the first one first. */
function record(...series: readonly (readonly [Failed, typeof counts])[]): FailureRecord[] {
  const held: Held = toHeld(delivery, group);
  return series.map(([failed, how]) => {
    held.failure = recordOf(held, 'consumer-1', failed, how);
    return held.failure;
  });
}

const last = (records: readonly FailureRecord[]) => records.at(-1);

describe('the record of a failure', () => {
  it('says what failed, how often, where and when the event was first delivered', () => {
    const before = Date.now();
    const held = toHeld(delivery, group);
    const failed = threw('first');
    const first = recordOf(held, 'consumer-1', failed, { isOwn: false, counted: true, delayMs: 99 });
    const again = toHeld(delivery, group, first);
    const second = recordOf(again, 'consumer-2', givenUp('attempts'), counts);

    expect(first).toMatchObject({ eventId: 'e-1', attempts: 1, final: false, kind: 'error' });
    expect(first.dueAt - first.failedAt).toBe(99);
    expect(first.error).toBe('Error: first');
    expect(first.stack).toMatch(/^\s+at .*failures\.test\.ts/);
    expect(first.firstDeliveredAt).toBeGreaterThanOrEqual(before);
    expect(second).toMatchObject({ attempts: 2, final: true, kind: 'attempts', reason: 'its reason' });
    expect(second.firstDeliveredAt).toBe(first.firstDeliveredAt);
    expect(second.history.map(({ consumer, error }) => `${consumer}: ${error}`)).toEqual([
      'consumer-1: Error: first',
      'consumer-2: Error: attempts',
    ]);
  });

  it('remembers the first attempt and the last ones', () => {
    const series = Array.from({ length: 40 }, (_, n) => [threw(`attempt ${n + 1}`), counts] as const);

    const { attempts, history } = last(record(...series)) ?? { history: [] };

    expect(attempts).toBe(40);
    expect(history.map(({ error }) => error)).toEqual(
      [1, 32, 33, 34, 35, 36, 37, 38, 39, 40].map((n) => `Error: attempt ${n}`),
    );
  });

  it('remembers attempts that did not count, but nothing that was no attempt', () => {
    const deferred: Failed = { ...threw('later'), reason: 'retry-after' } as Failed;
    const records = record(
      [threw('during an outage'), costsNothing],
      [deferred, costsNothing],
      [deferred, counts],
      [givenUp('held'), costsNothing],
      [givenUp('undecodable'), costsNothing],
      [givenUp('declined'), costsNothing],
    );

    expect(records.map(({ attempts, history }) => [attempts, history.length])).toEqual([
      [0, 1],
      [0, 1],
      [1, 2],
      [1, 2],
      [1, 2],
      [1, 3],
    ]);
  });

  it('holds the causes of an error, texts of bounded length, and nothing that is no text', () => {
    const cause = new TypeError('fetch failed');
    const error = new Error(`${'x'.repeat(1_999)}\u{1F600}`, { cause });
    const long = last(record([{ ...threw(''), error }, counts]));
    const odd = last(record([{ ...threw(''), error: 'just text' }, counts]));

    expect(long?.stack).toMatch(/caused by TypeError: fetch failed$/);
    expect(long?.error.length).toBeLessThanOrEqual(2_001);
    expect(long?.error.isWellFormed()).toBe(true);
    expect(long?.history[0]?.error.length).toBeLessThanOrEqual(301);
    expect(odd).toMatchObject({ error: 'just text', stack: '' });
  });

  it('is made of whatever was thrown', () => {
    const withoutStack = Object.assign(new Error('its stack is a list'), { stack: [] });
    const records = record(
      [{ ...threw(''), error: Object.create(null) }, counts],
      [{ ...threw(''), error: withoutStack }, counts],
    );

    expect(records).toMatchObject([
      { error: 'a value of type object that has no text', stack: '' },
      { error: 'Error: its stack is a list', stack: '' },
    ]);
  });
});
