import { withClient } from '../harness/with-client.ts';

/** How long events took in one stretch of time, in milliseconds from the commit of the event to that of its handler. */
export interface LatencyStretch {
  /** Its middle, in seconds since the first event was committed. */
  readonly at: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Events, counted once for each group that handled them. */
  readonly events: number;
}

/**
 * The latency of all that was handled, by when it was committed: read from the commits themselves, when all is over, so that
 * nothing of it weighs on the run.
 * @param seconds how long a stretch is.
 */
export function readLatency(url: string, seconds: number): Promise<LatencyStretch[]> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<Omit<LatencyStretch, 'p50' | 'p95' | 'p99'> & { p: number[] }>(
      `with handled as (
         select pg_xact_commit_timestamp(a.xmin) as appended_at, pg_xact_commit_timestamp(i.xmin) as handled_at
         from inbox_events i join demo.appended a using (event_id)
         where i.outcome = 'done'),
       timed as (
         select extract(epoch from appended_at - min(appended_at) over ())::float8 as at,
           extract(epoch from handled_at - appended_at)::float8 * 1000 as ms
         from handled)
       select (floor(at / $1) + 0.5) * $1 as at, count(*)::int as events,
         percentile_cont(array[0.5, 0.95, 0.99]) within group (order by ms) as p
       from timed group by floor(at / $1) order by 1`,
      [seconds],
    );
    return rows.map(({ at, events, p: [p50 = 0, p95 = 0, p99 = 0] }) => ({ at, p50, p95, p99, events }));
  });
}
