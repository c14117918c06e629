import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLanes, type LaneItem, type LaneOptions } from './lanes.ts';
import { createSolitude } from './solitude.ts';

interface Item extends LaneItem {
  readonly number: number;
}

const item = (key: string, number: number): Item => ({
  id: `${key}-${number}`,
  key,
  alone: false,
  number,
});

function lanesWith(options: Partial<LaneOptions<Item>> = {}) {
  return createLanes<Item>({
    concurrency: 1,
    batchSize: 1,
    capacity: 100,
    readAhead: 10,
    compare: (a, b) => a.number - b.number,
    solitude: createSolitude(),
    onFree: () => undefined,
    ...options,
  });
}

const done = new Map<string, number>();

describe('lanes', () => {
  it('let keys take turns, however much waits behind one of them', () => {
    const lanes = lanesWith();
    for (let number = 1; number <= 5; number += 1) lanes.offer(item('busy', number));
    lanes.offer(item('quiet', 6));

    const order: string[] = [];
    for (let taken = lanes.take(0); taken !== undefined; taken = lanes.take(0)) {
      order.push(...taken.map(({ id }) => id));
      lanes.finish(taken, done);
    }

    expect(order.slice(0, 2)).toEqual(['busy-1', 'quiet-6']);
  });

  it('hold back only the key that is being retried, and start it when it is due', () => {
    const lanes = lanesWith();
    for (const [key, number] of [
      ['a', 1],
      ['a', 2],
      ['b', 3],
    ] as const)
      lanes.offer(item(key, number));

    const first = lanes.take(0) ?? [];
    lanes.finish(first, new Map([['a-1', 500]]));
    const second = lanes.take(100) ?? [];
    lanes.finish(second, done);

    expect(second.map(({ id }) => id)).toEqual(['b-3']);
    expect(lanes.take(499)).toBeUndefined();
    expect(lanes.nextDueAt()).toBe(500);
    expect(lanes.take(500)?.map(({ id }) => id)).toEqual(['a-1']);
  });

  it('put an older item that arrives late before the newer ones of its key', () => {
    const lanes = lanesWith();
    for (const number of [2, 3, 1]) lanes.offer(item('a', number));

    expect(lanes.take(0)?.map(({ id }) => id)).toEqual(['a-1']);
  });

  it('take several items of one key in order, and nothing more of it until all of them are finished', () => {
    const lanes = lanesWith({ concurrency: 2, batchSize: 3 });
    for (const [key, number] of [
      ['a', 1],
      ['a', 2],
      ['b', 3],
      ['a', 4],
      ['b', 5],
    ] as const) {
      lanes.offer(item(key, number));
    }

    const first = lanes.take(0) ?? [];
    const second = lanes.take(0) ?? [];

    expect(first.map(({ id }) => id)).toEqual(['a-1', 'a-2', 'a-4']);
    expect(second.map(({ id }) => id)).toEqual(['b-3', 'b-5']);
  });

  it('ask for nothing while enough can start, and go on asking while what is held cannot', () => {
    const lanes = lanesWith({ capacity: 10, readAhead: 2 });
    for (const key of ['a', 'b']) lanes.offer(item(key, 1));
    expect(lanes.room()).toBe(0);

    for (const taken of [lanes.take(0) ?? []]) lanes.finish(taken, new Map([['a-1', 900]]));

    expect(lanes.room()).toBe(1);
  });

  it('accept nothing beyond their capacity, and count what was asked for', () => {
    const lanes = lanesWith({ capacity: 3 });
    expect(lanes.reserve(2)).toBe(2);
    expect(lanes.reserve(2)).toBe(1);
    lanes.unreserve(3);

    const answers = [1, 2, 3, 4].map((number) => lanes.offer(item('a', number)));

    expect(answers).toEqual(['accepted', 'accepted', 'accepted', 'full']);
    expect(lanes.offer(item('a', 2))).toBe('held');
  });

  it('forget what is dropped: at once if it waits, and when it is finished if it runs', () => {
    const lanes = lanesWith();
    for (const number of [1, 2]) lanes.offer(item('a', number));
    const running = lanes.take(0) ?? [];

    expect(lanes.drop(() => true, 'all').map(({ id }) => id)).toEqual(['a-2']);
    lanes.finish(running, new Map([['a-1', 0]]));

    expect(lanes.held()).toEqual([]);
  });

  it('keep a dropped item that runs if it is offered again meanwhile', () => {
    const lanes = lanesWith();
    lanes.offer(item('a', 1));
    const running = lanes.take(0) ?? [];
    lanes.drop(() => true, 'all');

    expect(lanes.offer(item('a', 1))).toBe('held');
    lanes.finish(running, new Map([['a-1', 0]]));

    expect(lanes.held().map(({ id }) => id)).toEqual(['a-1']);
  });

  it('start nothing once drained, and still hold what waits', () => {
    const lanes = lanesWith();
    for (const number of [1, 2]) lanes.offer(item('a', number));
    const running = lanes.take(0) ?? [];
    lanes.drain();
    lanes.finish(running, done);

    expect(lanes.take(1e9)).toBeUndefined();
    expect(lanes.held().map(({ id }) => id)).toEqual(['a-2']);
  });
});

/** What may happen to lanes: entries arrive, time passes, something ends well or is to be tried again. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant('offer' as const),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    delay: fc.constantFrom(0, 0, 0, 40),
  }),
  fc.record({ kind: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 60 }) }),
  fc.record({
    kind: fc.constant('finish' as const),
    which: fc.nat(5),
    retries: fc.array(fc.option(fc.integer({ min: 0, max: 80 }), { nil: undefined }), { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('drop' as const), key: fc.constantFrom('a', 'b', 'c', 'd') }),
);

describe('whatever happens, lanes', () => {
  it('keep the order of each key, run nothing of a key twice at once, lose nothing and repeat nothing', () => {
    const scenario = fc.record({
      concurrency: fc.integer({ min: 1, max: 3 }),
      batchSize: fc.integer({ min: 1, max: 4 }),
      capacity: fc.integer({ min: 4, max: 30 }),
      steps: fc.array(step, { maxLength: 150, size: 'max' }),
    });

    fc.assert(
      fc.property(scenario, ({ concurrency, batchSize, capacity, steps }) => {
        const lanes = lanesWith({ concurrency, batchSize, capacity, readAhead: capacity });
        const dueAt = new Map<string, number>();
        /** Per key, what is held and not done, in order: the model. */
        const open = new Map<string, Item[]>();
        const finished = new Set<string>();
        const takings: (readonly Item[])[] = [];
        let now = 1;
        let number = 0;

        const takeAll = () => {
          for (let taken = lanes.take(now); taken !== undefined; taken = lanes.take(now)) {
            const runningKeys = new Set(takings.flat().map(({ key }) => key));
            expect(taken.length).toBeLessThanOrEqual(batchSize);
            for (const [key, items] of Map.groupBy(taken, (one) => one.key)) {
              expect(runningKeys).not.toContain(key);
              // Exactly the oldest ones of the key, in their order, all of them due.
              expect(items).toEqual(open.get(key)?.slice(0, items.length));
              for (const one of items) expect(dueAt.get(one.id) ?? 0).toBeLessThanOrEqual(now);
            }
            for (const one of taken) expect(finished).not.toContain(one.id);
            takings.push(taken);
            expect(takings.length).toBeLessThanOrEqual(concurrency);
          }
          // Nothing that may start is left waiting while a place is free.
          if (takings.length < concurrency) {
            const running = new Set(takings.flat().map(({ key }) => key));
            for (const [key, [head]] of open) {
              const startable = head !== undefined && !running.has(key) && (dueAt.get(head.id) ?? 0) <= now;
              expect(startable).toBe(false);
            }
          }
        };

        for (const action of steps) {
          if (action.kind === 'tick') now += action.ms;
          else if (action.kind === 'offer') {
            number += 1;
            const one = item(action.key, number);
            const held = [...open.values()].reduce((sum, items) => sum + items.length, 0);
            const due = action.delay === 0 ? 0 : now + action.delay;
            const answer = lanes.offer(one, due);
            expect(answer).toBe(held >= capacity ? 'full' : 'accepted');
            if (answer === 'accepted') {
              dueAt.set(one.id, due);
              open.set(one.key, [...(open.get(one.key) ?? []), one]);
            }
          } else if (action.kind === 'drop') {
            const waiting = (open.get(action.key) ?? []).filter((one) => !takings.flat().includes(one));
            const gone = lanes.drop(({ key }) => key === action.key, 'waiting');
            expect(new Set(gone)).toEqual(new Set(waiting));
            open.set(
              action.key,
              (open.get(action.key) ?? []).filter((one) => !waiting.includes(one)),
            );
          } else {
            const [taken] = takings.splice(action.which % Math.max(takings.length, 1), 1);
            if (taken === undefined) continue;
            const again = new Map<string, number>();
            for (const [index, one] of taken.entries()) {
              const delay = action.retries[index];
              if (delay === undefined) {
                finished.add(one.id);
                open.set(
                  one.key,
                  (open.get(one.key) ?? []).filter((other) => other !== one),
                );
              } else {
                again.set(one.id, now + delay);
                dueAt.set(one.id, now + delay);
              }
            }
            lanes.finish(taken, again);
          }
          takeAll();
        }

        // In the end, all that is left runs and nothing remains.
        for (let rounds = 0; rounds <= number; rounds += 1) {
          now += 100;
          for (const taken of takings.splice(0)) {
            for (const one of taken) {
              open.set(
                one.key,
                (open.get(one.key) ?? []).filter((other) => other !== one),
              );
              finished.add(one.id);
            }
            lanes.finish(taken, done);
          }
          takeAll();
        }
        expect([...open.values()].flat()).toEqual([]);
        expect(lanes.held()).toEqual([]);
        expect(lanes.counts()).toEqual({ running: 0, waiting: 0, takings: 0 });
      }),
      { numRuns: 300 },
    );
  });
});
