/** What a PostgreSQL snapshot says of transactions: which were still open when it was taken. */
export interface Snapshot {
  /** All below are over. */
  readonly xmin: number;
  /** None from here on had completed. It is no bound of those that are open. */
  readonly xmax: number;
  /** Open ones from xmin to below xmax. */
  readonly open: ReadonlySet<number>;
}

/** Reads the text form of pg_snapshot, `xmin:xmax:xip,xip,…`. Transaction IDs are 64 bits wide there and never wrap. */
export function parseSnapshot(text: string): Snapshot {
  const [xmin, xmax, open = ''] = text.split(':');
  return {
    xmin: Number(xmin),
    xmax: Number(xmax),
    open: new Set(open === '' ? [] : open.split(',').map(Number)),
  };
}

/** Whether a transaction was over when the snapshot was taken. */
export function isOver(snapshot: Snapshot, xid: number): boolean {
  return xid < snapshot.xmax && !snapshot.open.has(xid);
}
