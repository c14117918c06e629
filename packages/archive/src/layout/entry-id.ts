import { issuedAt } from '@event-bus/transport';

const HOUR_MS = 3_600_000;
/** The last instant that YYYY-MM-DD can name. */
const LATEST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const LARGEST_SEQUENCE = 2n ** 64n - 1n;
const MS_DIGITS = 15;
const SEQUENCE_DIGITS = 20;

/** Before the first entry of every stream. */
export const BEGINNING = '0-0';

/** Why this is no ID of an entry that can be archived; undefined if it is one. */
export function flawOf(id: string): string | undefined {
  const [, ms, sequence] = /^(0|[1-9]\d{0,19})-(0|[1-9]\d{0,19})$/.exec(id) ?? [];
  if (ms === undefined || sequence === undefined) return 'its ID is not <milliseconds>-<sequence>';
  if (Number(ms) > LATEST_MS) return 'its ID lies beyond the year 9999';
  return BigInt(sequence) > LARGEST_SEQUENCE ? 'the sequence in its ID has more than 64 bits' : undefined;
}

/** The beginning of the hour in which a stream handed out the ID, in milliseconds since the epoch. */
export function hourOf(id: string): number {
  return Math.floor(issuedAt(id) / HOUR_MS) * HOUR_MS;
}

/** An ID in digits of fixed number, so that its order as text is its order as a number. */
export function padded(id: string): string {
  const [ms = '', sequence = ''] = id.split('-');
  return `${ms.padStart(MS_DIGITS, '0')}-${sequence.padStart(SEQUENCE_DIGITS, '0')}`;
}

/** Takes back {@link padded}. */
export function unpadded(text: string): string {
  return text.replaceAll(/\b0+(?=\d)/g, '');
}

/** The lowest ID above an ID. */
export function following(id: string): string {
  const [ms = '', sequence = '0'] = id.split('-');
  const next = BigInt(sequence) + 1n;
  return next > LARGEST_SEQUENCE ? `${BigInt(ms) + 1n}-0` : `${ms}-${next}`;
}

/** Entry IDs, both inclusive. */
export interface IdRange {
  readonly from: string;
  readonly to: string;
}

/** Refuses ends of a range that are no IDs. */
export function assertRange(range: {
  readonly from: string | undefined;
  readonly to: string | undefined;
}): void {
  for (const id of [range.from, range.to]) {
    const flaw = id === undefined ? undefined : flawOf(id);
    if (flaw !== undefined) throw new RangeError(`${id} is no end of a range: ${flaw}`);
  }
}

/** The IDs handed out from one instant until another, which is not included, by the clock of the stream's server. */
export function idsBetween(from: Date, until: Date): IdRange {
  return { from: `${from.getTime()}-0`, to: `${Math.max(0, until.getTime() - 1)}-${LARGEST_SEQUENCE}` };
}
