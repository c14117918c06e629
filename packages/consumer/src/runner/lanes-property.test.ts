import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLanes, type LaneItem } from './lanes.ts';
import { createSolitude, type Solitude } from './solitude.ts';

interface Item extends LaneItem {
  readonly number: number;
}

const key = fc.constantFrom('a', 'b', 'c', 'd');
const offer = fc.record({
  kind: fc.constant('offer' as const),
  key,
  delay: fc.constantFrom(0, 0, 0, 40),
  alone: fc.constantFrom(false, false, false, false, true),
  single: fc.constantFrom(false, false, false, true),
});
const finish = fc.record({
  kind: fc.constant('finish' as const),
  which: fc.nat(5),
  retries: fc.array(fc.option(fc.integer({ min: 0, max: 80 }), { nil: undefined }), { maxLength: 4 }),
});
const tick = fc.record({ kind: fc.constant('tick' as const), ms: fc.integer({ min: 1, max: 60 }) });
const drop = fc.record({
  kind: fc.constant('drop' as const),
  key,
  states: fc.constantFrom('waiting' as const, 'all' as const),
});
const drain = fc.record({ kind: fc.constant('drain' as const) });

/** What may happen to lanes: entries arrive, time passes, something ends well or is to be tried again. */
const action = fc.oneof(
  { weight: 80, arbitrary: offer },
  { weight: 80, arbitrary: finish },
  { weight: 40, arbitrary: tick },
  { weight: 10, arbitrary: drop },
  { weight: 1, arbitrary: drain },
);
type Action = typeof action extends fc.Arbitrary<infer Kind> ? Kind : never;

interface Bounds {
  readonly concurrency: number;
  readonly batchSize: number;
  readonly capacity: number;
}

/** Lanes beside a model of what they hold, which says what they may do. */
function createModel(
  bounds: Bounds,
  world: { now: number; number: number; readonly solitude: Solitude; aloneRun: number },
) {
  const { concurrency, batchSize, capacity } = bounds;
  const lanes = createLanes<Item>({
    concurrency,
    batchSize,
    capacity,
    readAhead: capacity,
    compare: (a, b) => a.number - b.number,
    solitude: world.solitude,
    onFree: () => pump(),
  });
  const dueAt = new Map<string, number>();
  /** Per key, what is held and not done, in order. */
  const open = new Map<string, Item[]>();
  const gone = new Set<string>();
  const dropped = new Set<string>();
  const takings: (readonly Item[])[] = [];
  let isDraining = false;

  const held = () => [...open.values()].flat();
  const isRunning = (one: Item) => takings.some((taken) => taken.includes(one));
  const runsAlone = () => takings.some((taken) => taken.some(({ alone }) => alone));

  function remove(one: Item): void {
    gone.add(one.id);
    dropped.delete(one.id);
    open.set(
      one.key,
      (open.get(one.key) ?? []).filter((other) => other !== one),
    );
  }

  /** The heads that could start, were there nothing else. */
  function startable(): Item[] {
    const running = new Set(takings.flat().map(({ key }) => key));
    return [...open].flatMap(([key, [head]]) =>
      head !== undefined && !running.has(key) && (dueAt.get(head.id) ?? 0) <= world.now ? [head] : [],
    );
  }

  function pump(): void {
    for (let taken = lanes.take(world.now); taken !== undefined; taken = lanes.take(world.now)) {
      expect(isDraining).toBe(false);
      expect(runsAlone()).toBe(false);
      expect(taken.length).toBeLessThanOrEqual(batchSize);
      if (taken.some(({ alone }) => alone)) {
        expect(taken).toHaveLength(1);
        expect(takings).toEqual([]);
        world.aloneRun += 1;
        expect(world.aloneRun).toBe(1);
      } else {
        // What is to be handled alone is never passed by.
        expect(startable().filter(({ alone }) => alone)).toEqual([]);
      }
      if (taken.some(({ single }) => single)) expect(taken).toHaveLength(1);
      const runningKeys = new Set(takings.flat().map(({ key }) => key));
      for (const [key, items] of Map.groupBy(taken, (one) => one.key)) {
        expect(runningKeys).not.toContain(key);
        // Exactly the oldest ones of the key, in their order, all of them due.
        expect(items).toEqual(open.get(key)?.slice(0, items.length));
        for (const one of items) expect(dueAt.get(one.id) ?? 0).toBeLessThanOrEqual(world.now);
      }
      for (const one of taken) expect(gone).not.toContain(one.id);
      takings.push(taken);
      expect(takings.length).toBeLessThanOrEqual(concurrency);
    }
  }

  /** Nothing that may start is left waiting while a place is free. */
  function expectNobodyWaitsInVain(): void {
    if (isDraining || runsAlone() || takings.length >= concurrency) return;
    const waiting = startable();
    const mayNot = waiting.some(({ alone }) => alone) && (takings.length > 0 || world.aloneRun > 0);
    if (!mayNot) expect(waiting).toEqual([]);
  }

  function end(taken: readonly Item[], again: ReadonlyMap<string, number>): void {
    takings.splice(takings.indexOf(taken), 1);
    const isAlone = taken.some(({ alone }) => alone);
    if (isAlone) world.aloneRun -= 1;
    const lost = taken.filter(({ id }) => again.has(id) && dropped.has(id));
    for (const one of taken) {
      const due = again.get(one.id);
      if (due === undefined || dropped.has(one.id)) remove(one);
      else dueAt.set(one.id, due);
    }
    expect(lanes.finish(taken, again)).toEqual(lost);
  }

  return {
    pump,
    expectNobodyWaitsInVain,
    act(what: Action): void {
      switch (what.kind) {
        case 'tick':
          world.now += what.ms;
          return;
        case 'drain':
          isDraining = true;
          lanes.drain();
          return;
        case 'offer': {
          world.number += 1;
          const one = { ...what, id: `${what.key}-${world.number}`, number: world.number };
          const due = what.delay === 0 ? 0 : world.now + what.delay;
          const answer = lanes.offer(one, due);
          expect(answer).toBe(held().length >= capacity ? 'full' : 'accepted');
          if (answer === 'full') return;
          dueAt.set(one.id, due);
          open.set(one.key, [...(open.get(one.key) ?? []), one]);
          return;
        }
        case 'drop': {
          const own = open.get(what.key) ?? [];
          const waiting = own.filter((one) => !isRunning(one));
          expect(new Set(lanes.drop(({ key }) => key === what.key, what.states))).toEqual(new Set(waiting));
          for (const one of waiting) remove(one);
          if (what.states === 'all') for (const one of own.filter(isRunning)) dropped.add(one.id);
          return;
        }
        case 'finish': {
          const taken = takings[what.which % Math.max(takings.length, 1)];
          if (taken === undefined) return;
          const retries = taken.flatMap(({ id }, index) => {
            const delay = what.retries[index];
            return delay === undefined ? [] : [[id, world.now + delay] as const];
          });
          end(taken, new Map(retries));
        }
      }
    },
    finishAll: (): void => {
      for (const taken of takings.toReversed()) end(taken, new Map());
    },
    /** All that is left has run, but for what a drain has kept from starting. */
    expectDone: (): void => {
      expect(new Set(lanes.held())).toEqual(new Set(held()));
      expect(lanes.counts()).toMatchObject({ running: 0, waiting: held().length, takings: 0 });
      if (!isDraining) expect(held()).toEqual([]);
    },
  };
}

describe('whatever happens, lanes', () => {
  it('keep the order of each key, run nothing of a key twice at once, let alone what is to be alone, take single ones by themselves, lose nothing, repeat nothing and starve nobody', () => {
    const bounds = fc.record({
      concurrency: fc.integer({ min: 1, max: 3 }),
      batchSize: fc.integer({ min: 1, max: 4 }),
      capacity: fc.integer({ min: 4, max: 30 }),
    });
    const scenario = fc.record({
      bounds: fc.tuple(bounds, bounds),
      steps: fc.array(fc.tuple(fc.nat(1), action), { maxLength: 200, size: 'max' }),
    });

    fc.assert(
      fc.property(scenario, ({ bounds: both, steps }) => {
        const world = { now: 1, number: 0, solitude: createSolitude(), aloneRun: 0 };
        const models = both.map((one) => createModel(one, world));
        for (const [chosen, what] of steps) {
          models[chosen]?.act(what);
          // The passing of time is noticed by all, everything else by whom it concerns: the others must be told.
          for (const [index, { pump }] of models.entries())
            if (what.kind === 'tick' || index === chosen) pump();
          for (const { expectNobodyWaitsInVain } of models) expectNobodyWaitsInVain();
        }

        for (let round = 0; round <= world.number; round += 1) {
          world.now += 100;
          for (const { finishAll, pump } of models) {
            finishAll();
            pump();
          }
        }
        for (const { finishAll, expectDone } of models) {
          finishAll();
          expectDone();
        }
      }),
      { numRuns: 300 },
    );
  });
});
