import { createHash } from 'node:crypto';

// An object is one gzip member. Its header has an extra field, which every gzip reader passes over:
//
//     1f 8b 08 04  00 00 00 00  00 ff    gzip, deflate, with an extra field, no time, unknown system
//     XLEN                               two bytes, little-endian, as all numbers here
//     'E' 'B'  LEN                       our subfield
//     seal                               64 hex digits: the SHA-256 of all bytes behind it
//     description                        JSON
//     deflated lines, CRC32, length      the rest of the member
//
// So an object needs nothing beside it to be checked, whatever it was copied with, and appears together with what is
// said of it, also on a file system. Without a time and a system the same content gives the same bytes.

const MAGIC = Buffer.from([0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff]);
const SUBFIELD = 'EB';
const SEAL_AT = 16;
const DESCRIPTION_AT = SEAL_AT + 64;
const LARGEST_EXTRA_BYTES = 0xffff;

/** So much of an object holds its header, unless the name of its stream is very long. */
export const USUAL_HEADER_BYTES = 4096;

/** Puts an object together from its description and what gzip has behind a header. */
export function frame(description: string, body: readonly Uint8Array[]): Buffer[] {
  const text = Buffer.from(description);
  const subfieldBytes = 64 + text.length;
  if (subfieldBytes + 4 > LARGEST_EXTRA_BYTES) {
    throw new RangeError(`a description of ${text.length} bytes does not fit into a gzip header`);
  }
  const hash = createHash('sha256').update(text);
  for (const chunk of body) hash.update(chunk);
  const header = Buffer.concat([
    MAGIC,
    uint16(subfieldBytes + 4),
    Buffer.from(SUBFIELD),
    uint16(subfieldBytes),
    Buffer.from(hash.digest('hex')),
    text,
  ]);
  return [header, ...body.map((chunk) => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))];
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

/** How long the header is that begins here; undefined if it is none of ours. */
export function headerBytes(beginning: Buffer): number | undefined {
  const isOurs =
    beginning.length >= DESCRIPTION_AT &&
    beginning.subarray(0, MAGIC.length).equals(MAGIC) &&
    beginning.toString('latin1', 12, 14) === SUBFIELD &&
    beginning.readUInt16LE(14) === beginning.readUInt16LE(10) - 4;
  return isOurs ? SEAL_AT + beginning.readUInt16LE(14) : undefined;
}

/** The description in a header of so many bytes. */
export function descriptionIn(beginning: Buffer, length: number): string {
  return beginning.toString('utf8', DESCRIPTION_AT, length);
}

/** Whether nothing has changed behind the seal, and nothing is missing. */
export function isSealed(object: Buffer): boolean {
  const seal = object.toString('latin1', SEAL_AT, DESCRIPTION_AT);
  return createHash('sha256').update(object.subarray(DESCRIPTION_AT)).digest('hex') === seal;
}
