import { setTimeout as delay } from 'node:timers/promises';
import { type Display, renderLatency, whole } from './display.ts';
import type { Latency, Meter, Snapshot } from './measure.ts';

const refreshMs = 300;

/** Keeps the line up to date until the signal aborts. */
export async function showProgress(display: Display, meter: Meter, signal: AbortSignal): Promise<void> {
  let before: { readonly at: number; readonly handled: number } | undefined;
  while (!signal.aborted) {
    const snapshot = await meter.snapshot();
    const latency = await meter.latency('recent');
    const now = { at: performance.now(), handled: sum(snapshot) };
    const perSecond = before && ((now.handled - before.handled) * 1_000) / (now.at - before.at);
    display.status(statusLine(snapshot, { perSecond, latency, width: display.width }));
    before = now;
    await delay(refreshMs, undefined, { signal }).catch(() => 'the signal ends the loop');
  }
  display.clear();
}

function sum({ handled }: Snapshot): number {
  return Object.values(handled).reduce((total, count) => total + count, 0);
}

function statusLine(
  { appended, published, handled, deadLetters }: Snapshot,
  extra: {
    readonly perSecond: number | undefined;
    readonly latency: Latency | undefined;
    readonly width: number;
  },
): string {
  const line = (groups: string) =>
    [
      `appended ${whole(appended)}`,
      `published ${whole(published)}`,
      `handled ${groups}`,
      ...(deadLetters === 0 ? [] : [`dead ${whole(deadLetters)}`]),
      `${whole(extra.perSecond ?? 0)} events/s`,
      ...(extra.latency === undefined ? [] : [renderLatency(extra.latency)]),
    ].join('  ');
  const named = line(
    Object.entries(handled)
      .map(([group, count]) => `${group} ${whole(count)}`)
      .join(', '),
  );
  return named.length <= extra.width ? named : line(Object.values(handled).map(whole).join('/'));
}
