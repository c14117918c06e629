import { describe, expect, it } from 'vitest';
import { fingerprint } from './fingerprint.ts';

const of = (error: string, stack = '', kind = 'attempts') => fingerprint({ kind, error, stack });

describe('a fingerprint', () => {
  it.each([
    [
      'IDs',
      'Error: user 0f8fad5b-d9cb-469f-a165-70867728950e is gone',
      'Error: user 7c9e6679-7425-40de-944b-e07fc1f90ae7 is gone',
    ],
    ['numbers', 'Error: timeout after 5000 ms', 'Error: timeout after 31.5 ms'],
    ['quoted text', 'Error: no index "users_a"', 'Error: no index "users \\"b\\""'],
    [
      'addresses',
      'Error: mailbox ann@example.com is full',
      'Error: mailbox bob.b+1@mail.example.org is full',
    ],
    ['times', 'Error: expired at 2026-01-31T12:00:00Z', 'Error: expired at 2025-12-01 00:00:01.5+00:00'],
    ['hashes', 'Error: object deadbeef01 is missing', 'Error: object 0123456789abcdef is missing'],
  ])('is the same whatever %s a message holds', (_, one, other) => {
    expect(of(one)).toBe(of(other));
  });

  it('tells messages, kinds and errors apart', () => {
    const all = [of('Error: a'), of('Error: b'), of('TypeError: a'), of('Error: a', '', 'crashed')];

    expect(new Set(all).size).toBe(all.length);
  });

  it('is of the place in the program that threw, wherever that stands in its file', () => {
    const stack = (line: number) =>
      `    at Socket.emit (node:events:509:20)\n    at query (/app/node_modules/pg/lib/client.js:1:2)\n    at charge (/srv/v${line}/billing.ts:${line}:7)\n    at handle (/srv/x.ts:1:1)`;

    expect(of('Error: a', stack(10))).toBe(of('Error: a', stack(99)));
    expect(of('Error: a', stack(10))).not.toBe(of('Error: a', stack(10).replace('charge', 'refund')));
  });
});
