import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Refusal, type S3Request } from './protocol.ts';

/** A checksum of content, in base64, as headers carry it. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** The algorithms that this server can compute. */
export type ChecksumAlgorithm = 'crc32' | 'sha1' | 'sha256';

/** What a request carries, after all that came with it to prove it was checked. */
export interface Content {
  readonly bytes: Buffer;
  readonly checksum: Checksum | undefined;
}

const ALGORITHMS: readonly ChecksumAlgorithm[] = ['crc32', 'sha1', 'sha256'];
const HEADER = /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/;

function hash(algorithm: string, bytes: Buffer): Buffer {
  return createHash(algorithm).update(bytes).digest();
}

/** The checksum in base64. */
export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Buffer): string {
  if (algorithm !== 'crc32') return hash(algorithm, bytes).toString('base64');
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(bytes));
  return value.toString('base64');
}

/** The algorithm that a header or a document names in any case. */
export function algorithmNamed(name: string): ChecksumAlgorithm {
  const algorithm = ALGORITHMS.find((known) => known === name.toLowerCase());
  if (algorithm === undefined) throw new S3Refusal(501, 'NotImplemented', `This double computes no ${name}.`);
  return algorithm;
}

/**
 * Decodes the body and checks it against everything the request says of it: length, payload hash, checksum (in a
 * header or a trailer), Content-MD5.
 * @throws S3Refusal
 */
export function readContent(request: S3Request): Content {
  const { headers } = request;
  const payloadHash = String(headers['x-amz-content-sha256'] ?? '');
  let bytes = request.body;
  let trailers: Readonly<Record<string, string>> = {};
  if (payloadHash === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER') {
    ({ bytes, trailers } = decodeChunked(bytes));
    if (Number(headers['x-amz-decoded-content-length']) !== bytes.length) {
      throw new S3Refusal(
        400,
        'IncompleteBody',
        'The decoded length is not what x-amz-decoded-content-length says.',
      );
    }
    const announced = headers['x-amz-trailer'];
    if (announced !== undefined && trailers[String(announced)] === undefined) {
      throw new S3Refusal(400, 'MalformedTrailerError', 'The announced trailer is missing.');
    }
  } else if (payloadHash.startsWith('STREAMING-')) {
    throw new S3Refusal(501, 'NotImplemented', `This double reads no ${payloadHash}.`);
  } else if (payloadHash !== 'UNSIGNED-PAYLOAD' && payloadHash !== hash('sha256', bytes).toString('hex')) {
    throw new S3Refusal(
      400,
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  checkMd5(String(headers['content-md5'] ?? ''), bytes);
  return { bytes, checksum: checkChecksum({ ...headers, ...trailers }, bytes) };
}

function checkMd5(stated: string, bytes: Buffer): void {
  if (stated === '') return;
  if (Buffer.from(stated, 'base64').length !== 16) {
    throw new S3Refusal(400, 'InvalidDigest', 'The Content-MD5 you specified is not valid.');
  }
  if (stated !== hash('md5', bytes).toString('base64')) throw badDigest('Content-MD5');
}

function checkChecksum(fields: Readonly<Record<string, unknown>>, bytes: Buffer): Checksum | undefined {
  const stated = Object.entries(fields).filter(([name]) => HEADER.test(name));
  if (stated.length > 1) {
    throw new S3Refusal(
      400,
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.',
    );
  }
  const [found] = stated;
  if (found === undefined) return undefined;
  const algorithm = algorithmNamed(HEADER.exec(found[0])?.[1] ?? '');
  const value = String(found[1]);
  if (value !== checksumOf(algorithm, bytes)) throw badDigest(algorithm.toUpperCase());
  return { algorithm, value };
}

function badDigest(what: string): S3Refusal {
  return new S3Refusal(400, 'BadDigest', `The ${what} you specified did not match what we received.`);
}

/** aws-chunked: `<hex length>\r\n<bytes>\r\n` until a chunk of no length, then trailers. */
function decodeChunked(framed: Buffer): { bytes: Buffer; trailers: Readonly<Record<string, string>> } {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = framed.indexOf('\r\n', at);
    const header = lineEnd === -1 ? '' : framed.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(header)) throw incomplete();
    const length = Number.parseInt(header, 16);
    at = lineEnd + 2;
    if (length === 0) break;
    if (framed.toString('latin1', at + length, at + length + 2) !== '\r\n') throw incomplete();
    chunks.push(framed.subarray(at, at + length));
    at += length + 2;
  }
  const lines = framed.toString('latin1', at).split('\r\n');
  const trailers = lines.filter((line) => line !== '').map((line) => line.split(/:(.*)/s).slice(0, 2));
  return { bytes: Buffer.concat(chunks), trailers: Object.fromEntries(trailers) as Record<string, string> };
}

function incomplete(): S3Refusal {
  return new S3Refusal(400, 'IncompleteBody', 'The chunks of the body do not add up.');
}

/** Some documents are taken only if a checksum or an MD5 came with them. */
export function requireDigest(request: S3Request, hasChecksum: boolean): void {
  if (hasChecksum || request.headers['content-md5'] !== undefined) return;
  throw new S3Refusal(
    400,
    'InvalidRequest',
    'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
  );
}
