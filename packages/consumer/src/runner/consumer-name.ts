import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/**
 * The name under which one start of one process reads: never used before, so that nobody finds entries under it
 * that it doesn't know of.
 */
export function createConsumerName(): string {
  const host = hostname().replaceAll(/[^\w.-]/g, '_');
  return `${host}-${process.pid}-${randomBytes(4).toString('hex')}`;
}
