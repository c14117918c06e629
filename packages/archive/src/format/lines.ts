import { createGunzip } from 'node:zlib';

const LINE_END = 0x0a;
const CHUNK_BYTES = 256 * 1024;

/**
 * The lines of a gzip file, each without its end, unpacked as they are read. Fails on what is no gzip, or not whole, and
 * on a last line without an end.
 */
export async function* unpackLines(file: Buffer): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  gunzip.end(file);
  let begun: Buffer[] = [];
  for await (const chunk of gunzip as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end !== -1; end = chunk.indexOf(LINE_END, from)) {
      const rest = chunk.subarray(from, end);
      yield begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      from = end + 1;
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  if (begun.length > 0) throw new Error('the last line has no end');
}
