import type { GroupRef } from './transport.ts';

/** The stream of one topic partition. A topic with a single partition has no suffix. */
export function streamKey(topic: string, partition: number, partitions: number): string {
  return partitions === 1 ? `events:${topic}` : `events:${topic}:${partition}`;
}

/** All streams of a topic, in the order of their partitions. */
export function streamKeys(topic: string, partitions: number): string[] {
  return Array.from({ length: partitions }, (_, partition) => streamKey(topic, partition, partitions));
}

/**
 * The stream that a topic of several partitions had while it had one, if it ever did. Nobody writes to it or reads it any more.
 */
export function formerStreamKeys(topic: string, partitions: number): string[] {
  return partitions === 1 ? [] : [streamKey(topic, 0, 1)];
}

/**
 * Keys derived from a stream. The hash tag puts each into the Cluster slot of its stream, so that one script
 * may touch both.
 */
export const derivedKeys = {
  /** Hash: source -> `<entry ID> <event ID>` written last; `@trimmed` -> last entry ID that was trimmed. */
  writers: (stream: string): string => `{${stream}}:writers`,
  /** Hash: entry ID, `inject:` before it for injected ones -> last failure of an entry that is still pending, as JSON. */
  failures: (stream: string, group: string): string => `{${stream}}:failures:${group}`,
  /** Stream: entries for one group only. */
  inject: (stream: string, group: string): string => `{${stream}}:inject:${group}`,
  /** Hash: replay under way -> `<token> <entry up to which it is injected> <ID under which it injected last>`. */
  replays: (stream: string): string => `{${stream}}:replays`,
  /** Stream: dead letters of one group. */
  deadLetters: (stream: string, group: string): string => `{${stream}}:dlq:${group}`,
} as const;

/** Every key of a stream with groups, and what Redis says its type is. */
export function keyTypes(stream: string, groups: readonly string[]): ReadonlyMap<string, 'stream' | 'hash'> {
  return new Map([
    [stream, 'stream'],
    [derivedKeys.writers(stream), 'hash'],
    [derivedKeys.replays(stream), 'hash'],
    ...groups.flatMap((group): [string, 'stream' | 'hash'][] => [
      [derivedKeys.failures(stream, group), 'hash'],
      [derivedKeys.inject(stream, group), 'stream'],
      [derivedKeys.deadLetters(stream, group), 'stream'],
    ]),
  ]);
}

/** The key of the place that a group reads: the stream, or what is injected beside it. */
export function placeKey(ref: GroupRef): string {
  return ref.injected === true ? derivedKeys.inject(ref.stream, ref.group) : ref.stream;
}

/** What a delivery says of the place it comes from. */
export function placeOf({
  stream,
  injected,
}: Pick<GroupRef, 'stream' | 'injected'>): Pick<GroupRef, 'stream' | 'injected'> {
  return injected === true ? { stream, injected } : { stream };
}

/** What stands before the entry IDs of a place in the failures hash, which both places of a group share. */
export function failurePrefix(ref: GroupRef): string {
  return ref.injected === true ? 'inject:' : '';
}

/** The consumer name under which a group keeps what was handed back. Nobody reads under it. */
export const HANDED_BACK = '@released';
