import type { Solitude } from './solitude.ts';
import { createTurns } from './turns.ts';

/**
 * Lanes: what a runner holds, and what of it may start next.
 *
 * An item belongs to a key; items of one key leave their lane in order, one taking at a time.
 *
 *     state of a key   when                                     items of it may start
 *     idle             nothing of it is held                    -
 *     ready            nothing of it runs, its head is due      yes
 *     waiting          nothing of it runs, its head is not due  no: the items behind the head wait with it
 *     running          items of it were taken                   no: until all of them are finished
 *
 *     offer -> waiting in its lane, in order -> take -> running -> finish: done, or back to its place until due
 *
 * How much is held is bounded twice. Nothing is asked for while half of `readAhead` keys could start: a backlog is never
 * loaded for its own sake. And nothing is accepted beyond `capacity`, whatever state it is in. Between the two
 * lies the room for items that cannot start: a key that is retried, or far busier than the others, fills it with
 * what stands behind its head while the others go on. When `capacity` is full of such items, the others wait for
 * the slow key's next step, which always comes: an attempt ends by success, or by its limit. Nothing else is
 * possible without giving entries back that order needs next.
 *
 * An item that is to be handled alone is taken by itself, when nothing else runs, and nothing starts beside it. A single
 * one is taken by itself, too, and others run beside it.
 */
export interface Lanes<Item extends LaneItem> {
  /**
   * Puts an item into its lane, not to start before `dueAt`. `held`: it is there already. `full`: not accepted.
   */
  offer(item: Item, dueAt?: number): 'accepted' | 'held' | 'full';
  /**
   * The next items to run as one, at most `batchSize` or `most`, or `undefined` if nothing may start at `now`. Keys
   * take turns; further items of the same key follow in order if they fit. Counts as one of `concurrency` until it is
   * finished.
   */
  take(now: number, most?: number): readonly Item[] | undefined;
  /** From now on a taking does not count as one of `concurrency`. In all else it runs until it is finished. */
  finishing(taken: readonly Item[]): void;
  /** It counts again: there is more left to do than it seemed. */
  resumed(taken: readonly Item[]): void;
  /**
   * Ends a taking. The items that come back (by ID, with the time they are due) stand in their old place again;
   * the others are gone for good. Returns those that would have come back but were dropped meanwhile.
   */
  finish(taken: readonly Item[], again: ReadonlyMap<string, number>): Item[];
  /**
   * Forgets waiting items; with `all`, running ones too: they don't come back when they are finished, unless they
   * have been offered again by then. Returns the waiting ones that went.
   */
  drop(which: (item: Item) => boolean, states: 'waiting' | 'all'): Item[];
  /** From now on nothing starts. */
  drain(): void;
  /** When the next key that waits is due. `undefined` if none waits. */
  nextDueAt(): number | undefined;
  /** How many more items to ask for now. `besides`: so many others, which are here no more, take their place, too. */
  room(besides?: number): number;
  /** Sets room aside for what was asked for and has not come. Returns how much was to be had, `wanted` at most. */
  reserve(wanted: number): number;
  unreserve(count: number): void;
  /** All items, running and waiting. */
  held(): Item[];
  holds(id: string): boolean;
  isWaiting(id: string): boolean;
  counts(): {
    readonly running: number;
    readonly waiting: number;
    readonly takings: number;
    /** Of the takings, those that do not count as one of `concurrency` any more. */
    readonly finishing: number;
  };
}

/** What lanes need to know of an item. */
export interface LaneItem {
  /** Names it among all that is held. */
  readonly id: string;
  readonly key: string;
  /** Nothing else may run beside it. May change while it runs. */
  readonly alone: boolean;
  /** Nothing else may be taken with it. May change while it runs. */
  readonly single: boolean;
}

/** The bounds of a set of lanes. */
export interface LaneOptions<Item> {
  /** Takings at a time. */
  readonly concurrency: number;
  /** Items in one taking. */
  readonly batchSize: number;
  /** Items held altogether. */
  readonly capacity: number;
  /** To how many keys that could start they are filled up. */
  readonly readAhead: number;
  /** The order within a key: negative if `a` comes before `b`. */
  readonly compare: (a: Item, b: Item) => number;
  /** Needed by what is to be handled alone. `onFree` is called when it could not be had and can now. */
  readonly solitude: Solitude;
  readonly onFree: () => void;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly dueAt: number;
}

interface Lane<Item> {
  /** Sorted. */
  readonly queue: Waiting<Item>[];
  running: number;
}

/** Creates empty lanes. They know no clock and start nothing themselves. */
export function createLanes<Item extends LaneItem>(options: LaneOptions<Item>): Lanes<Item> {
  const { concurrency, batchSize, capacity, readAhead, compare, solitude, onFree } = options;
  const lanes = new Map<string, Lane<Item>>();
  const items = new Map<string, { readonly item: Item; state: 'waiting' | 'running' | 'dropped' }>();
  const turns = createTurns();
  /** Keys whose head is to be handled alone. */
  const solitary = new Set<string>();
  let isAlone = false;
  let runningItems = 0;
  let takings = 0;
  const allButFinished = new Set<readonly Item[]>();
  let reserved = 0;
  let draining = false;

  function refile(key: string, lane: Lane<Item>): void {
    const head = lane.queue[0];
    if (lane.running === 0 && head === undefined) lanes.delete(key);
    if (head?.item.alone === true) solitary.add(key);
    else solitary.delete(key);
    turns.file(key, lane.running > 0 ? undefined : head?.dueAt);
  }

  function enqueue({ queue }: Lane<Item>, entry: Waiting<Item>): void {
    const isAfter = (other: Waiting<Item> | undefined) =>
      other !== undefined && compare(other.item, entry.item) > 0;
    // Almost always it belongs at one of the two ends; otherwise the search begins at the back.
    let place = isAfter(queue[0]) ? 0 : queue.length;
    while (place > 0 && isAfter(queue[place - 1])) place -= 1;
    queue.splice(place, 0, entry);
  }

  function laneOf(key: string): Lane<Item> {
    const known = lanes.get(key);
    if (known !== undefined) return known;
    const lane: Lane<Item> = { queue: [], running: 0 };
    lanes.set(key, lane);
    return lane;
  }

  /** The first key that is ready and whose head is to be handled alone. */
  function readyAlone(): string | undefined {
    if (solitary.size === 0) return undefined;
    const ready = turns.ready();
    return [...solitary].find((key) => ready.has(key));
  }

  /** `undefined` as long as something else runs, here or alone elsewhere in this process. */
  function takeAlone(key: string, now: number): Item[] | undefined {
    if (takings > 0 || !solitude.enter(onFree)) return undefined;
    const taken: Item[] = [];
    takeFrom(key, laneOf(key), now, taken, 1);
    isAlone = true;
    return taken;
  }

  function mayJoin({ single, alone }: Item, taken: readonly Item[]): boolean {
    const [first] = taken;
    return first === undefined || !(first.single || single || alone);
  }

  function takeTogether(now: number, most: number): Item[] | undefined {
    const taken: Item[] = [];
    for (const key of turns.ready()) {
      if (taken.length >= most) break;
      const lane = laneOf(key);
      const head = lane.queue[0];
      // It keeps its turn.
      if (head !== undefined && !mayJoin(head.item, taken)) continue;
      takeFrom(key, lane, now, taken, most);
    }
    return taken.length === 0 ? undefined : taken;
  }

  function takeFrom(key: string, lane: Lane<Item>, now: number, into: Item[], most: number): void {
    let count = 0;
    while (into.length < most) {
      const entry = lane.queue[count];
      // The head was due when its key became ready, whatever the clock says by now.
      if (entry === undefined || (count > 0 && entry.dueAt > now)) break;
      if (!mayJoin(entry.item, into)) break;
      into.push(entry.item);
      items.set(entry.item.id, { item: entry.item, state: 'running' });
      count += 1;
    }
    lane.queue.splice(0, count);
    lane.running = count;
    runningItems += count;
    refile(key, lane);
  }

  return {
    offer(item, dueAt = 0) {
      const known = items.get(item.id);
      if (known !== undefined) {
        // It was to be forgotten as soon as it has run, and is wanted again meanwhile.
        if (known.state === 'dropped') known.state = 'running';
        return 'held';
      }
      if (items.size >= capacity) return 'full';
      items.set(item.id, { item, state: 'waiting' });
      const lane = laneOf(item.key);
      enqueue(lane, { item, dueAt });
      refile(item.key, lane);
      return 'accepted';
    },
    take(now, most = batchSize) {
      if (draining || isAlone || takings - allButFinished.size >= concurrency) return undefined;
      turns.wake(now);
      // What is to be handled alone goes first, or the others would never leave it the room.
      const alone = readyAlone();
      const taken = alone === undefined ? takeTogether(now, most) : takeAlone(alone, now);
      if (taken !== undefined) takings += 1;
      return taken;
    },
    finishing(taken) {
      allButFinished.add(taken);
    },
    resumed(taken) {
      allButFinished.delete(taken);
    },
    finish(taken, again) {
      takings -= 1;
      allButFinished.delete(taken);
      const dropped: Item[] = [];
      for (const item of taken) {
        const lane = laneOf(item.key);
        lane.running -= 1;
        runningItems -= 1;
        const dueAt = again.get(item.id);
        const isDropped = items.get(item.id)?.state === 'dropped';
        if (dueAt === undefined || isDropped) items.delete(item.id);
        else {
          items.set(item.id, { item, state: 'waiting' });
          enqueue(lane, { item, dueAt });
        }
        if (dueAt !== undefined && isDropped) dropped.push(item);
      }
      for (const { key } of taken) {
        const lane = lanes.get(key);
        if (lane !== undefined) refile(key, lane);
      }
      if (isAlone) {
        isAlone = false;
        solitude.leave();
      }
      return dropped;
    },
    drop(which, states) {
      const gone: Item[] = [];
      const touched = new Set<string>();
      for (const entry of items.values()) {
        if (!which(entry.item)) continue;
        if (entry.state === 'waiting') gone.push(entry.item);
        else if (states === 'all') entry.state = 'dropped';
      }
      for (const item of gone) {
        items.delete(item.id);
        touched.add(item.key);
      }
      for (const key of touched) {
        const lane = laneOf(key);
        const kept = lane.queue.filter(({ item }) => items.has(item.id));
        lane.queue.splice(0, lane.queue.length, ...kept);
        refile(key, lane);
      }
      return gone;
    },
    drain() {
      draining = true;
    },
    nextDueAt: () => turns.nextDueAt(),
    room(besides = 0) {
      const ready = turns.ready().size;
      // Asked for in large portions, not one by one.
      if (ready > readAhead / 2) return 0;
      return Math.max(0, Math.min(readAhead - ready, capacity - items.size - reserved - besides));
    },
    reserve(wanted) {
      const granted = Math.max(0, Math.min(wanted, capacity - items.size - reserved));
      reserved += granted;
      return granted;
    },
    unreserve(count) {
      reserved -= count;
    },
    holds: (id) => items.has(id),
    isWaiting: (id) => items.get(id)?.state === 'waiting',
    held: () => [...items.values()].map(({ item }) => item),
    counts: () => ({
      running: runningItems,
      waiting: items.size - runningItems,
      takings,
      finishing: allButFinished.size,
    }),
  };
}
