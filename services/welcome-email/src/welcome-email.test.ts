import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createWelcomeEmail } from './welcome-email.ts';

test('the README says for how long a mail is tried again', () => {
  const mailer = { send: () => Promise.reject(new Error('away')) };
  const retry = createWelcomeEmail(mailer).handlings.get('user.created')?.retry;
  const hours = (random: number) => {
    let sumMs = 0;
    for (let attempt = 1; attempt < (retry?.maxAttempts ?? 0); attempt += 1) {
      sumMs += retry?.backoff(attempt, () => random) ?? 0;
    }
    return Number((sumMs / 3_600_000).toFixed(1));
  };

  expect(readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8')).toContain(
    `tried again for ${hours(1)} to ${hours(0)} hours`,
  );
});
