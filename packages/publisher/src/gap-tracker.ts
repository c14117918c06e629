import type { LogRow, Range, Snapshot } from '@event-bus/outbox/log';
import { isOver, without } from '@event-bus/outbox/log';

interface Gap extends Range {
  /** Assigned after the gap was missed, so whoever holds its position is older; `null` until it is recorded. */
  xid: number | null;
  /** The open transactions that may yet fill it; `null` if that is not known. */
  readonly watched: readonly number[] | null;
}

/**
 * Positions that were passed because no row was visible there. Their transaction is still open, or was rolled
 * back. A gap is filled when its row appears. It is closed when every transaction that was open below the gap's
 * `xid` is over and there is still no row: whoever holds a position got its transaction ID before it drew the
 * position, hence before `xid` was assigned (the insert trigger sees to that).
 *
 * A gap needs to be looked at again only when one of the transactions it waits for has ended, so thousands of gaps
 * behind one long transaction cost nothing while it lasts.
 */
export class GapTracker {
  readonly #gaps = new Set<Gap>();

  /** How many ranges are open. */
  get size(): number {
    return this.#gaps.size;
  }

  /** Remembers a range that was found missing. */
  note(range: Range, xid: number | null = null): void {
    this.#gaps.add({ ...range, xid, watched: null });
  }

  /** Gives gaps that were noted within these ranges the transaction ID they were recorded with. */
  recorded(ranges: readonly Range[], xid: number): void {
    for (const gap of this.#gaps) {
      if (gap.xid === null && ranges.some((range) => range.first <= gap.first && gap.last <= range.last)) {
        gap.xid = xid;
      }
    }
  }

  /** The gaps whose rows may have become visible by the time of this snapshot, in order. */
  due(snapshot: Snapshot): Range[] {
    const due: Range[] = [];
    for (const gap of this.#gaps) {
      if (gap.watched === null || gap.watched.some((xid) => isOver(snapshot, xid))) due.push(gap);
    }
    return due.sort((a, b) => a.first - b.first);
  }

  /**
   * Takes in what a look at some due gaps has shown, and returns the ranges that will never be filled.
   * @param looked what {@link due} returned.
   * @param rows visible in them, in order.
   * @param complete whether these are all the rows that were visible.
   */
  observe(looked: readonly Range[], snapshot: Snapshot, rows: readonly LogRow[], complete: boolean): Range[] {
    const closed: Range[] = [];
    let next = 0;
    for (const gap of looked as readonly Gap[]) {
      const filled: number[] = [];
      for (let row = rows[next]; row !== undefined && row.position <= gap.last; row = rows[++next]) {
        filled.push(row.position);
      }
      this.#gaps.delete(gap);
      const watched = complete ? mayFill(gap, snapshot) : null;
      for (const rest of without(gap, filled)) {
        if (watched?.length === 0) closed.push(rest);
        else this.#gaps.add({ ...rest, xid: gap.xid, watched });
      }
    }
    return closed;
  }
}

function mayFill(gap: Gap, snapshot: Snapshot): number[] | null {
  const { xid } = gap;
  // A snapshot that does not reach beyond the gap's xid cannot tell who was open below it.
  if (xid === null || snapshot.xmax <= xid) return null;
  return [...snapshot.open].filter((open) => open < xid);
}
