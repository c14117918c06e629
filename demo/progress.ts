import { setTimeout as delay } from 'node:timers/promises';
import type { Latency, Meter, Snapshot } from './measure.ts';

/** What the demo shows: sentences that stay, and below them one line that keeps changing. */
export interface Display {
  /** Adds a sentence, with the seconds since the demo began. */
  say(text: string): void;
  /** Adds text as it is. */
  print(text: string): void;
  /** Replaces the line. Without a terminal it is printed, at most every two seconds. */
  status(line: string): void;
  /** Removes the line. */
  clear(): void;
  /** How many characters fit into the line. */
  readonly width: number;
}

const plainEveryMs = 2_000;

/** Creates a display on a stream such as standard output. */
export function createDisplay(out: NodeJS.WriteStream): Display {
  const beganAt = performance.now();
  const stamp = () => `${((performance.now() - beganAt) / 1_000).toFixed(1).padStart(5)} s  `;
  let line = '';
  let lastPlainAt = Number.NEGATIVE_INFINITY;
  const erase = () => {
    if (out.isTTY && line !== '') out.write('\r\u001B[2K');
  };
  const print = (text: string) => {
    erase();
    out.write(`${text}\n`);
    if (out.isTTY) out.write(line);
  };
  return {
    print,
    say: (text) => print(`${stamp()}${text}`),
    get width() {
      return out.isTTY ? out.columns - stamp().length - 1 : 200;
    },
    status(text) {
      if (out.isTTY) {
        erase();
        line = `${stamp()}${text}`.slice(0, out.columns - 1);
        out.write(line);
      } else if (performance.now() - lastPlainAt >= plainEveryMs) {
        lastPlainAt = performance.now();
        out.write(`${stamp()}${text}\n`);
      }
    },
    clear() {
      erase();
      line = '';
    },
  };
}

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

/** `p50 7 ms, p95 12 ms, p99 31 ms`. */
export function renderLatency({ p50, p95, p99 }: Latency): string {
  return `p50 ${whole(p50)} ms, p95 ${whole(p95)} ms, p99 ${whole(p99)} ms`;
}

/** A number as people read it. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
