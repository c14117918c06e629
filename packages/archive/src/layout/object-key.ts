import { compareEntryIds } from '@event-bus/transport';
import { hourOf, padded, unpadded } from './entry-id.ts';

/** A run of entries of one stream, all of one hour. */
export interface ObjectRange {
  readonly stream: string;
  readonly firstId: string;
  readonly lastId: string;
}

/** What a key says. */
export interface ParsedKey extends ObjectRange {
  /** The beginning of the hour of all its entries. */
  readonly hour: Date;
  /** Tells objects of the same range with different content apart; empty for the first of them. */
  readonly variant: string;
}

/**
 * Everything of a stream lies below this. The name is percent-encoded, as Hive writes values of partitions: readers of
 * such folders decode it, and neither they nor file systems have to cope with `:`.
 */
export function streamPrefix(stream: string): string {
  const encoded = encodeURIComponent(stream).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `stream=${encoded}/`;
}

/** Everything of a stream from the hour of this entry lies below this. */
export function hourPrefix(stream: string, id: string): string {
  const [date = '', time = ''] = new Date(hourOf(id)).toISOString().split('T');
  return `${streamPrefix(stream)}date=${date}/hour=${time.slice(0, 2)}/`;
}

/**
 * `stream=<s>/date=<YYYY-MM-DD>/hour=<HH>/<first>-<last>.ndjson.gz`. The numbers of the IDs have leading zeros, so that
 * the order of keys is the order of entries, for every program that lists them: `…-10` would come before `…-9`.
 */
export function objectKey({ stream, firstId, lastId }: ObjectRange, variant = ''): string {
  const suffix = variant === '' ? '' : `.${variant}`;
  return `${hourPrefix(stream, firstId)}${padded(firstId)}-${padded(lastId)}${suffix}.ndjson.gz`;
}

const KEY =
  /^stream=([^/]*)\/date=[\d-]{10}\/hour=\d\d\/(\d{15}-\d{20})-(\d{15}-\d{20})(?:\.([0-9a-f]+))?\.ndjson\.gz$/;

/** Reads a key; undefined for what this layout would not have written. */
export function parseKey(key: string): ParsedKey | undefined {
  const [, encoded, first, last, variant = ''] = KEY.exec(key) ?? [];
  if (encoded === undefined || first === undefined || last === undefined) return undefined;
  const stream = decode(encoded);
  if (stream === undefined) return undefined;
  const range = { stream, firstId: unpadded(first), lastId: unpadded(last) };
  if (compareEntryIds(range.firstId, range.lastId) > 0 || objectKey(range, variant) !== key) return undefined;
  return { ...range, hour: new Date(hourOf(range.firstId)), variant };
}

/** The stream of a key or of a prefix of keys. */
export function streamOf(key: string): string | undefined {
  const [, encoded] = /^stream=([^/]*)\//.exec(key) ?? [];
  return encoded === undefined ? undefined : decode(encoded);
}

function decode(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
