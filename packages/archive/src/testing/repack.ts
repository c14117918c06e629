import { deflateRawSync, gunzipSync } from 'node:zlib';
import { descriptionIn, frame, headerBytes } from '../format/gzip-frame.ts';

/** The same object as another version of zlib might have packed it. */
export function repack(object: Buffer): Buffer[] {
  return frame(descriptionIn(object, headerBytes(object) ?? 0), [
    deflateRawSync(gunzipSync(object), { level: 1 }),
    object.subarray(-8),
  ]);
}

/** The same object with another description. */
export function redescribe(
  object: Buffer,
  change: (description: Record<string, unknown>) => unknown,
): Buffer[] {
  const length = headerBytes(object) ?? 0;
  const description = JSON.parse(descriptionIn(object, length)) as Record<string, unknown>;
  return frame(JSON.stringify(change(description)), [object.subarray(length)]);
}
