import { createHash } from 'node:crypto';
import { ContentMismatchError } from '../errors.ts';
import type { Content } from './store.ts';

/** Bytes in memory as what a store takes. */
export function contentOf(chunks: readonly Uint8Array[]): Content {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return {
    sizeBytes: chunks.reduce((sum, { byteLength }) => sum + byteLength, 0),
    sha256: hash.digest('hex'),
    open: () => chunks,
  };
}

/**
 * The bytes of the content, checked on the way: at the end it throws if there were more or fewer than stated, or
 * others.
 */
export async function* checked(
  content: Content,
  of: { readonly location: string; readonly key: string },
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of content.open()) {
    hash.update(chunk);
    sizeBytes += chunk.byteLength;
    if (sizeBytes > content.sizeBytes) break;
    yield chunk;
  }
  if (sizeBytes !== content.sizeBytes) {
    const found = sizeBytes > content.sizeBytes ? 'more' : `only ${sizeBytes}`;
    throw new ContentMismatchError(
      of.location,
      of.key,
      `${content.sizeBytes} bytes were announced and ${found} came`,
    );
  }
  if (hash.digest('hex') !== content.sha256) {
    throw new ContentMismatchError(
      of.location,
      of.key,
      'the bytes do not have the SHA-256 that was announced',
    );
  }
}

/** Whether these bytes are the content. */
export async function isContent(content: Content, body: AsyncIterable<Uint8Array>): Promise<boolean> {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex') === content.sha256;
}

/** Puts chunks together into buffers of exactly `sizeBytes`; the last may be smaller. */
export async function* inPieces(
  chunks: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  for await (let chunk of chunks) {
    while (heldBytes + chunk.byteLength >= sizeBytes) {
      const missing = sizeBytes - heldBytes;
      yield Buffer.concat([...held, chunk.subarray(0, missing)]);
      chunk = chunk.subarray(missing);
      held = [];
      heldBytes = 0;
    }
    held.push(chunk);
    heldBytes += chunk.byteLength;
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}
