import type { Latency } from './measure.ts';

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

/** `p50 7 ms, p95 12 ms, p99 31 ms`. */
export function renderLatency({ p50, p95, p99 }: Latency): string {
  return `p50 ${whole(p50)} ms, p95 ${whole(p95)} ms, p99 ${whole(p99)} ms`;
}

/** A number as people read it. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
