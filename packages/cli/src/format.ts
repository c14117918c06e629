import type { GroupPause } from '@event-bus/operations';

const unknown = '?';
const none = '-';

const units = [
  { ms: 86_400_000, name: 'd' },
  { ms: 3_600_000, name: 'h' },
  { ms: 60_000, name: 'm' },
  { ms: 1_000, name: 's' },
] as const;

/** A length of time in its two largest units: `3m 5s`. */
export function duration(ms: number): string {
  const first = units.findIndex((unit) => ms >= unit.ms);
  const [large, small] = first < 0 ? [] : units.slice(first, first + 2);
  if (large === undefined) return `${Math.max(0, Math.round(ms))}ms`;
  const rest = small === undefined ? 0 : Math.floor((ms % large.ms) / small.ms);
  return `${Math.floor(ms / large.ms)}${large.name}${rest > 0 && small !== undefined ? ` ${rest}${small.name}` : ''}`;
}

/** A length of time, or a dash where there is none. */
export function durationOrNone(ms: number | null): string {
  return ms === null ? none : duration(ms);
}

/** How long ago an instant was, or a dash. The clocks of this machine and of the server need not agree. */
export function age(instant: Date | null): string {
  return instant === null ? none : duration(Math.max(0, Date.now() - instant.getTime()));
}

/** A number, or `?` where it is not known, which is not zero. */
export function number(value: number | null): string {
  return value === null ? unknown : String(value);
}

/** A number of bytes, in the largest unit of which there is at least one: `3.5 MiB`. */
export function size(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? amount : amount.toFixed(1)} ${names[power]}`;
}

/** A count that may have been stopped early. */
export function rowCount(value: { readonly count: number; readonly more: boolean }): string {
  return value.more ? `more than ${value.count}` : String(value.count);
}

/** A text, or a dash if it is empty. */
export function text(value: string | null | undefined): string {
  return value === null || value === undefined || value === '' ? none : value;
}

/** A number and what is counted: `1 event`, `3 events`. */
export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

/** Who paused a group, since when and why: `paused for 3m by ann: mail server maintenance`. */
export function pauseText({ at, by, reason }: GroupPause): string {
  const why = reason === null ? '' : `: ${oneLine(reason)}`;
  return `paused for ${age(at)} by ${by || 'somebody'}${why}`;
}

/** Why an event was not handled, on one line. What a handler said itself stands in both; it is told once. */
export function whyText({ reason, error }: { readonly reason: string; readonly error: string }): string {
  const isToldAlready = error === '' || reason.endsWith(error.replace(/^\w+: /, ''));
  if (isToldAlready && reason !== '') return oneLine(reason);
  return oneLine(reason === '' ? error : `${reason}: ${error}`);
}

/** A text of whatever lines, as one. */
export function oneLine(lines: string): string {
  return lines.replace(/\s+/g, ' ');
}
