import { describe, expect, it } from 'vitest';
import { createLanes, type LaneItem, type LaneOptions } from './lanes.ts';
import { createSolitude } from './solitude.ts';

interface Item extends LaneItem {
  readonly number: number;
}

const item = (key: string, number: number, alone = false): Item => ({
  id: `${key}-${number}`,
  key,
  alone,
  single: false,
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

  it('begin another taking while one is all but finished, of another key', () => {
    const lanes = lanesWith();
    for (const [key, number] of [
      ['a', 1],
      ['a', 2],
      ['b', 3],
      ['c', 4],
    ] as const)
      lanes.offer(item(key, number));
    const first = lanes.take(0) ?? [];
    expect(lanes.take(0)).toBeUndefined();

    lanes.finishing(first);
    const second = lanes.take(0) ?? [];

    expect(second.map(({ id }) => id)).toEqual(['b-3']);
    expect(lanes.take(0)).toBeUndefined();
    expect(lanes.counts()).toMatchObject({ running: 2, waiting: 2, takings: 2 });
    lanes.finish(first, done);
    expect(lanes.take(0)).toBeUndefined();
    lanes.finish(second, done);
    expect(lanes.take(0)).toHaveLength(1);
  });

  it('begin nothing beside one that was all but finished and is resumed', () => {
    const lanes = lanesWith();
    for (const number of [1, 2, 3]) lanes.offer(item(`key-${number}`, number));
    const first = lanes.take(0) ?? [];
    lanes.finishing(first);
    const second = lanes.take(0) ?? [];

    lanes.resumed(first);
    lanes.finishing(second);

    expect(lanes.take(0)).toBeUndefined();
    expect(lanes.counts()).toMatchObject({ takings: 2, finishing: 1 });
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
    const dropped = lanes.finish(running, new Map([['a-1', 0]]));

    expect(dropped.map(({ id }) => id)).toEqual(['a-1']);
    expect(lanes.held()).toEqual([]);
  });

  it('keep a dropped item that runs if it is offered again meanwhile', () => {
    const lanes = lanesWith();
    lanes.offer(item('a', 1));
    const running = lanes.take(0) ?? [];
    lanes.drop(() => true, 'all');

    expect(lanes.offer(item('a', 1))).toBe('held');

    expect(lanes.finish(running, new Map([['a-1', 0]]))).toEqual([]);
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

  it('start what was due although the clock was set back since', () => {
    const lanes = lanesWith();
    lanes.offer(item('a', 1), 500);
    lanes.offer(item('b', 2, true), 500);
    expect(lanes.take(499)).toBeUndefined();
    const alone = lanes.take(500) ?? [];
    lanes.finish(alone, done);

    expect(alone.map(({ id }) => id)).toEqual(['b-2']);
    expect(lanes.take(100)?.map(({ id }) => id)).toEqual(['a-1']);
  });
});

const idsOf = (taken: readonly Item[] | undefined) => taken?.map(({ id }) => id);

describe('an item that is to be handled alone', () => {
  it('waits until nothing runs, goes before all others then, and nothing starts beside it', () => {
    const lanes = lanesWith({ concurrency: 4, batchSize: 3 });
    lanes.offer(item('a', 1));
    const running = lanes.take(0) ?? [];
    lanes.offer(item('b', 2));
    lanes.offer(item('c', 3, true));

    expect(lanes.take(0)).toBeUndefined();
    lanes.finish(running, done);
    const alone = lanes.take(0) ?? [];
    expect(idsOf(alone)).toEqual(['c-3']);
    expect(lanes.take(0)).toBeUndefined();
    lanes.finish(alone, done);
    expect(idsOf(lanes.take(0))).toEqual(['b-2']);
  });

  it('waits behind the items of its key that come before it, and ends their batch', () => {
    const lanes = lanesWith({ concurrency: 4, batchSize: 4 });
    for (const one of [item('a', 1), item('a', 2, true), item('a', 3), item('b', 4)]) lanes.offer(one);

    const order: (string[] | undefined)[] = [];
    for (let taken = lanes.take(0); taken !== undefined; taken = lanes.take(0)) {
      order.push(idsOf(taken));
      lanes.finish(taken, done);
    }

    expect(order).toEqual([['a-1', 'b-4'], ['a-2'], ['a-3']]);
  });

  it('keeps nobody waiting while it is not due', () => {
    const lanes = lanesWith();
    lanes.offer(item('a', 1, true), 900);
    lanes.offer(item('b', 2));

    expect(idsOf(lanes.take(0))).toEqual(['b-2']);
  });

  it('runs beside others when it comes back as one that need not be alone', () => {
    const lanes = lanesWith({ concurrency: 2 });
    const suspect = { ...item('a', 1), alone: true };
    lanes.offer(suspect);
    const taken = lanes.take(0) ?? [];
    suspect.alone = false;
    lanes.finish(taken, new Map([['a-1', 0]]));
    lanes.offer(item('b', 2));

    expect([idsOf(lanes.take(0)), idsOf(lanes.take(0))]).toEqual([['a-1'], ['b-2']]);
  });

  it('frees the others of its lanes when it is dropped, waiting or running', () => {
    const lanes = lanesWith({ concurrency: 2 });
    lanes.offer(item('a', 1, true));
    lanes.offer(item('b', 2, true));
    lanes.offer(item('c', 3));
    const running = lanes.take(0) ?? [];
    lanes.drop(({ alone }) => alone, 'all');
    expect(lanes.take(0)).toBeUndefined();
    lanes.finish(running, new Map([['a-1', 0]]));

    expect(idsOf(lanes.take(0))).toEqual(['c-3']);
  });

  it('runs beside what other lanes of its process run, but not beside another such item of theirs', () => {
    const solitude = createSolitude();
    const woken: string[] = [];
    const one = lanesWith({ solitude, onFree: () => woken.push('one') });
    const other = lanesWith({ concurrency: 2, solitude, onFree: () => woken.push('other') });
    other.offer(item('x', 1));
    expect(idsOf(other.take(0))).toEqual(['x-1']);
    one.offer(item('a', 1, true));
    const alone = one.take(0) ?? [];
    expect(idsOf(alone)).toEqual(['a-1']);

    const third = lanesWith({ solitude, onFree: () => woken.push('third') });
    third.offer(item('y', 1, true));
    third.offer(item('z', 2));
    expect(third.take(0)).toBeUndefined();
    one.finish(alone, done);

    expect(woken).toEqual(['third']);
    expect(idsOf(third.take(0))).toEqual(['y-1']);
  });

  it('lets lanes that share its solitude take turns, also while one of them drains', () => {
    const solitude = createSolitude();
    const order: string[] = [];
    const all = ['one', 'two', 'three'].map((name) => {
      const lanes = lanesWith({ solitude, onFree: () => pump() });
      for (let number = 1; number <= 3; number += 1) lanes.offer(item(`${name}-${number}`, number, true));
      let running: readonly Item[] | undefined;
      function pump() {
        const taken = lanes.take(0);
        if (taken === undefined) return;
        running = taken;
        order.push(name);
      }
      return {
        lanes,
        pump,
        finish: () => {
          if (running === undefined) return;
          const ended = running;
          running = undefined;
          lanes.finish(ended, done);
          pump();
        },
      };
    });

    for (const { pump } of all) pump();
    all[1]?.lanes.drain();
    for (let round = 0; round < 20; round += 1) for (const { finish } of all) finish();

    expect(order).toEqual(['one', 'three', 'one', 'three', 'one', 'three']);
    expect(all[1]?.lanes.counts()).toMatchObject({ running: 0, waiting: 3, takings: 0 });
  });
});

describe('a single item', () => {
  const single = (key: string, number: number): Item => ({ ...item(key, number), single: true });

  it('is taken by itself and keeps its turn, and others run beside it', () => {
    const lanes = lanesWith({ concurrency: 9, batchSize: 3 });
    for (const one of [item('a', 1), single('b', 2), item('c', 3), single('d', 4), item('e', 5)])
      lanes.offer(one, 7);

    const order = [1, 2, 3, 4].map(() => idsOf(lanes.take(8)));

    expect(order).toEqual([['a-1', 'c-3', 'e-5'], ['b-2'], ['d-4'], undefined]);
  });

  it('ends the batch of those before it in its lane, and begins one of nobody else', () => {
    const lanes = lanesWith({ concurrency: 9, batchSize: 9 });
    for (const one of [item('a', 1), single('a', 2), item('a', 3)]) lanes.offer(one);

    const order: (string[] | undefined)[] = [];
    for (let taken = lanes.take(0); taken !== undefined; taken = lanes.take(0)) {
      order.push(idsOf(taken));
      lanes.finish(taken, done);
    }

    expect(order).toEqual([['a-1'], ['a-2'], ['a-3']]);
  });
});
