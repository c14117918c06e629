import { randomBytes } from 'node:crypto';

/**
 * A name that no other test has: lower-case letters, digits and underscores, beginning with a letter. Fit for
 * database, topic, group and key names, alone or as a prefix.
 */
export function uniquePrefix(): string {
  return `t_${randomBytes(6).toString('hex')}`;
}
