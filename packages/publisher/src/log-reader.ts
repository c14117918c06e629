import {
  type LogPage,
  type LogRow,
  type PageLimits,
  type Range,
  readGaps,
  readPage,
  readSnapshot,
  type StoredGap,
  toRanges,
  without,
} from '@event-bus/outbox/log';
import type { Pool } from 'pg';
import { GapTracker } from './gap-tracker.ts';

/** What is to be published next, and what the log is known to hold by then. */
export interface Reading {
  /** In order of position. */
  readonly rows: readonly LogRow[];
  /** Where the cursor stands once these are through. */
  readonly position: number;
  /** Found missing on the way. */
  readonly noted: readonly Range[];
  /** Gaps that these rows fill, or that never will be filled. */
  readonly closed: readonly Range[];
  /** There may be more to read at once. */
  readonly isFull: boolean;
}

interface Page extends LogPage {
  /** Where the cursor stood before it. */
  readonly after: number;
}

/**
 * Reads the log in order of position and past what is missing.
 *
 * A row that fills a gap must not come after a later row of its aggregate. If that later row was visible to a page,
 * the earlier one was, too, since its transaction had committed first. So every page is followed by a look at the
 * gaps, in a later snapshot, and what is found goes before the page or with it.
 */
export class LogReader {
  readonly #pool: Pool;
  readonly #limits: PageLimits;
  readonly #gaps = new GapTracker();
  #position: number;
  #page: Page | undefined;
  #noted: Range[];
  /** Recorded in another cluster, where transaction IDs meant something else: they are recorded anew. */
  #foreign: Range[];

  constructor(pool: Pool, limits: PageLimits, position: number, gaps: readonly StoredGap[]) {
    this.#pool = pool;
    this.#limits = limits;
    this.#position = position;
    for (const gap of gaps) this.#gaps.note(gap, gap.xid);
    this.#foreign = gaps.filter((gap) => gap.xid === null);
    this.#noted = [...this.#foreign];
  }

  /** How many ranges of positions are missing. */
  get gaps(): number {
    return this.#gaps.size;
  }

  /** Reads on. `undefined` if there is nothing to publish and nothing to record. One call at a time. */
  async next(): Promise<Reading | undefined> {
    this.#page ??= await this.#readPage();
    const page = this.#page;
    const { rows: filled, closed, complete } = await this.#lookAtGaps();
    const positions = filled.map((row) => row.position);
    this.#noted = this.#noted.flatMap((range) => without(range, within(range, positions)));
    const settled = [...toRanges(positions), ...closed];
    if (!complete) {
      // More rows are visible in gaps than were read: the page waits behind them.
      return { rows: filled, position: page.after, noted: [], closed: settled, isFull: true };
    }
    const noted = this.#noted;
    const replaced = this.#foreign;
    [this.#page, this.#noted, this.#foreign] = [undefined, [], []];
    if (page.rows.length + filled.length + noted.length + closed.length === 0) return undefined;
    const rows = [...filled, ...page.rows].sort((a, b) => a.position - b.position);
    return { rows, position: this.#position, noted, closed: [...replaced, ...settled], isFull: page.isFull };
  }

  /** Tells that noted ranges were recorded, with this transaction ID. */
  recorded(noted: readonly Range[], xid: number): void {
    this.#gaps.recorded(noted, xid);
  }

  async #readPage(): Promise<Page> {
    const after = this.#position;
    const page = await readPage(this.#pool, after, this.#limits);
    const { rows } = page;
    const last = rows.at(-1);
    if (last === undefined) return { ...page, after };
    const noted = without(
      { first: after + 1, last: last.position },
      rows.map((row) => row.position),
    );
    for (const range of noted) this.#gaps.note(range);
    this.#noted.push(...noted);
    this.#position = last.position;
    return { ...page, after };
  }

  async #lookAtGaps(): Promise<{ rows: readonly LogRow[]; closed: Range[]; complete: boolean }> {
    if (this.#gaps.size === 0) return { rows: [], closed: [], complete: true };
    const due = this.#gaps.due(await readSnapshot(this.#pool));
    if (due.length === 0) return { rows: [], closed: [], complete: true };
    const { snapshot, rows, isFull } = await readGaps(this.#pool, due, this.#limits);
    return { rows, closed: this.#gaps.observe(due, snapshot, rows, !isFull), complete: !isFull };
  }
}

function within(range: Range, positions: readonly number[]): number[] {
  return positions.filter((position) => range.first <= position && position <= range.last);
}
