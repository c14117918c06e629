import type { Proxy as NetworkProxy, S3Front } from '@event-bus/testkit';
import { it } from 'vitest';
import { contentOf } from '../store/content.ts';
import type { ArchiveStore, ByteRange, Content, ObjectInfo } from '../store/store.ts';

/** What is between a store and its server, and can fail: messages one by one, and all connections at once. */
export type Network = Pick<S3Front, 'inject' | 'requests'> & Pick<NetworkProxy, 'refuse' | 'accept' | 'cut'>;

/** An empty store for one test. */
export interface OpenedStore {
  readonly store: ArchiveStore;
  /** Another way to the same objects, as another process has it. */
  readonly connect: () => ArchiveStore;
  /** The environment in which a process finds the same objects. */
  readonly env: Readonly<Record<string, string>>;
  readonly network: Network | undefined;
}

/** Opens an empty store for the running test, with a limit for how long it waits for an answer. */
export type OpenStore = (options?: { readonly timeoutMs?: number }) => Promise<OpenedStore>;

/** What not every store has. */
export interface StoreFeatures {
  readonly network: boolean;
  readonly lifecycle: boolean;
  readonly objectLock: boolean;
}

/** Content of a text, or of so many bytes of it. */
export function textContent(text: string): Content {
  return contentOf([Buffer.from(text)]);
}

/** Content of so many bytes, none like its neighbour, in chunks of some 64 KiB. */
export function largeContent(sizeBytes: number, seed = 1): Content {
  const bytes = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4)
    bytes.writeUInt32LE(Math.imul(at + seed, 2_654_435_761) >>> 0, at);
  const chunks: Buffer[] = [];
  for (let at = 0; at < sizeBytes; at += 65_521) chunks.push(bytes.subarray(at, at + 65_521));
  return contentOf(chunks);
}

/** All bytes of an object, or of a part of it. */
export async function bytesOf(store: ArchiveStore, key: string, range?: ByteRange): Promise<Buffer> {
  const { body } = await store.get(key, range);
  return Buffer.concat(await Array.fromAsync(body));
}

/** The text of an object, or of a part of it. */
export async function textOf(store: ArchiveStore, key: string, range?: ByteRange): Promise<string> {
  return (await bytesOf(store, key, range)).toString('utf8');
}

/** The keys of a list. */
export async function keysOf(list: AsyncIterable<ObjectInfo>): Promise<string[]> {
  return (await Array.fromAsync(list)).map(({ key }) => key);
}

/** Puts texts, each under its own key. */
export async function putAll(store: ArchiveStore, keys: readonly string[]): Promise<void> {
  for (const key of keys) await store.put(key, textContent(key));
}

/** The network of a store that has one. */
export function networkOf({ network }: OpenedStore): Network {
  if (network === undefined) throw new Error('this store has no network: do not declare that it has');
  return network;
}

/** Declares a test, unless it is of something that the store has not. */
export function when(applies: boolean): (title: string, test: () => Promise<void>) => void {
  return applies ? it : () => 'not declared';
}
