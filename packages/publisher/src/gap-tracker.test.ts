import type { LogRow, Range, Snapshot } from '@event-bus/outbox/log';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { GapTracker } from './gap-tracker.ts';

function row(position: number): LogRow {
  const text = {
    eventId: String(position),
    eventType: 'test.happened',
    eventVersion: '1',
    aggregateType: 'user',
    aggregateId: 'a',
    tenantId: 'acme',
    actorId: 'alice',
    occurredAt: '',
    payload: '{}',
    traceparent: '',
    tracestate: '',
    correlationId: '',
    causationId: '',
  };
  return { position, ...text, slot: 0, insertedAtMs: 0 };
}

interface Transaction {
  readonly xid: number;
  readonly positions: number[];
  state: 'open' | 'committed' | 'rolled back';
}

/** PostgreSQL as far as gaps can tell: transaction IDs, a sequence, and what a snapshot shows of both. */
class World {
  readonly transactions: Transaction[] = [];
  #nextXid = 700;
  #nextPosition = 1;
  #latestCompleted = 699;

  begin(): void {
    this.transactions.push({ xid: this.#nextXid++, positions: [], state: 'open' });
  }

  draw(pick: number): void {
    this.#open(pick)?.positions.push(this.#nextPosition++);
  }

  end(pick: number, state: 'committed' | 'rolled back'): void {
    const transaction = this.#open(pick);
    if (transaction === undefined) return;
    transaction.state = state;
    this.#latestCompleted = Math.max(this.#latestCompleted, transaction.xid);
  }

  /** A transaction that begins and commits at once: the one that records progress. */
  pass(): number {
    const xid = this.#nextXid++;
    this.#latestCompleted = Math.max(this.#latestCompleted, xid);
    return xid;
  }

  /** Its xmax is behind the newest that completed, which is not behind all that are open. */
  snapshot(): Snapshot {
    const xmax = this.#latestCompleted + 1;
    const open = this.transactions.filter(({ state, xid }) => state === 'open' && xid < xmax);
    const xids = open.map(({ xid }) => xid);
    return { xmin: Math.min(xmax, ...xids), xmax, open: new Set(xids) };
  }

  visible(): number[] {
    return this.transactions
      .filter(({ state }) => state === 'committed')
      .flatMap(({ positions }) => positions)
      .sort((a, b) => a - b);
  }

  #open(pick: number): Transaction | undefined {
    const open = this.transactions.filter(({ state }) => state === 'open');
    return open[pick % open.length];
  }
}

/** Reads as the publisher does: a page, then what its gaps hold, then a record of what was found missing. */
class Reader {
  readonly tracker = new GapTracker();
  readonly published: number[] = [];
  readonly closed: Range[] = [];
  readonly #world: World;
  #position = 0;
  #noted: Range[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  page(limit: number): void {
    for (const position of this.#world.visible()) {
      if (position <= this.#position) continue;
      if (limit === 0) return;
      limit -= 1;
      if (position > this.#position + 1) {
        const range = { first: this.#position + 1, last: position - 1 };
        this.tracker.note(range);
        this.#noted.push(range);
      }
      this.#position = position;
      this.published.push(position);
    }
  }

  look(limit: number, meanwhile: () => void): void {
    const due = this.tracker.due(this.#world.snapshot());
    meanwhile();
    if (due.length === 0) return;
    const inGaps = this.#world
      .visible()
      .filter((position) => due.some(({ first, last }) => first <= position && position <= last));
    const rows = inGaps.slice(0, limit);
    const complete = rows.length < limit;
    this.closed.push(...this.tracker.observe(due, this.#world.snapshot(), rows.map(row), complete));
    this.published.push(...rows);
  }

  record(): void {
    this.tracker.recorded(this.#noted, this.#world.pass());
    this.#noted = [];
  }
}

type Step =
  | { readonly kind: 'begin' | 'draw' | 'commit' | 'roll back'; readonly pick: number }
  | { readonly kind: 'page' | 'record'; readonly limit: number }
  | { readonly kind: 'look'; readonly limit: number; readonly meanwhile: readonly Step[] };

const pick = fc.nat(20);
const limit = fc.integer({ min: 1, max: 6 });
const writing: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('begin', 'draw', 'commit', 'roll back'), pick }),
  fc.record({ kind: fc.constantFrom('begin', 'draw'), pick }),
);
const reading: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('page', 'record'), limit }),
  fc.record({ kind: fc.constant('look' as const), limit, meanwhile: fc.array(writing, { maxLength: 5 }) }),
);
const steps = fc.array(fc.oneof({ weight: 3, arbitrary: writing }, { weight: 2, arbitrary: reading }), {
  minLength: 40,
  maxLength: 160,
});

function take(step: Step, world: World, reader: Reader): void {
  if (step.kind === 'begin') world.begin();
  else if (step.kind === 'draw') world.draw(step.pick);
  else if (step.kind === 'commit') world.end(step.pick, 'committed');
  else if (step.kind === 'roll back') world.end(step.pick, 'rolled back');
  else if (step.kind === 'page') reader.page(step.limit);
  else if (step.kind === 'record') reader.record();
  else if (step.kind === 'look') reader.look(step.limit, () => takeAll(step.meanwhile, world, reader));
}

function takeAll(all: readonly Step[], world: World, reader: Reader): void {
  for (const step of all) take(step, world, reader);
}

test('whatever is committed in whatever order is seen once, and no gap is closed that may still be filled', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const world = new World();
      const reader = new Reader(world);
      takeAll(taken, world, reader);

      const alive = world.transactions.filter(({ state }) => state !== 'rolled back');
      for (const { first, last } of reader.closed) {
        const lost = alive.flatMap(({ positions }) => positions.filter((p) => first <= p && p <= last));
        expect(lost.filter((position) => !reader.published.includes(position))).toEqual([]);
      }
      expect(new Set(reader.published).size).toBe(reader.published.length);
    }),
    { numRuns: 2_000 },
  );
});

test('when every transaction has ended, all that was committed was seen and no gap is left', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const world = new World();
      const reader = new Reader(world);
      takeAll(taken, world, reader);
      for (let n = 0; n < taken.length; n += 1) world.end(n, n % 2 === 0 ? 'committed' : 'rolled back');
      reader.page(1_000);
      reader.record();
      reader.look(1_000, () => undefined);

      expect([...reader.published].sort((a, b) => a - b)).toEqual(world.visible());
      expect(reader.tracker.size).toBe(0);
    }),
    { numRuns: 1_000 },
  );
});

test('gaps behind one open transaction are looked at once, and again only when it has ended', () => {
  const world = new World();
  const reader = new Reader(world);
  world.begin();
  for (let n = 0; n < 100; n += 1) {
    world.draw(0);
    world.begin();
    world.draw(1);
    world.end(1, 'committed');
  }
  reader.page(1_000);
  reader.record();
  expect(reader.tracker.due(world.snapshot())).toHaveLength(100);
  reader.look(1_000, () => undefined);

  expect(reader.tracker.due(world.snapshot())).toEqual([]);
  world.end(0, 'rolled back');
  expect(reader.tracker.due(world.snapshot())).toHaveLength(100);
  reader.look(1_000, () => undefined);
  expect(reader.tracker.size).toBe(0);
});

test('a gap is not closed by a snapshot that does not reach beyond the transaction that recorded it', () => {
  const tracker = new GapTracker();
  tracker.note({ first: 3, last: 4 });
  tracker.recorded([{ first: 1, last: 9 }], 710);
  const before: Snapshot = { xmin: 710, xmax: 710, open: new Set() };
  const after: Snapshot = { xmin: 711, xmax: 711, open: new Set() };

  expect(tracker.observe(tracker.due(before), before, [], true)).toEqual([]);
  expect(tracker.observe(tracker.due(after), after, [], true)).toEqual([{ first: 3, last: 4 }]);
});

test('a gap that was not read to its end stays', () => {
  const tracker = new GapTracker();
  tracker.note({ first: 1, last: 5 }, 700);
  const snapshot: Snapshot = { xmin: 701, xmax: 701, open: new Set() };

  expect(tracker.observe(tracker.due(snapshot), snapshot, [row(1), row(2)], false)).toEqual([]);
  expect(tracker.due(snapshot)).toMatchObject([{ first: 3, last: 5 }]);
});

test('a gap waits for all that were open below the transaction that recorded it, and is due when one of them ends', () => {
  const tracker = new GapTracker();
  tracker.note({ first: 1, last: 2 }, 710);
  const open = (...xids: number[]): Snapshot => ({ xmin: 705, xmax: 720, open: new Set(xids) });
  const look = (snapshot: Snapshot) => tracker.observe(tracker.due(snapshot), snapshot, [], true);

  expect(look(open(705, 709, 715))).toEqual([]);
  expect(tracker.due(open(705, 709))).toEqual([]);
  expect(tracker.due(open(709, 715))).toHaveLength(1);
  expect(look(open(709, 715))).toEqual([]);
  expect(look(open(715))).toEqual([{ first: 1, last: 2 }]);
});
