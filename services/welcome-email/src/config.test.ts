import { ConfigError, loadConfig } from '@event-bus/config';
import { expect, test } from 'vitest';
import { config } from './config.ts';

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(config, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError)
      return error.faults.map(({ variable, problem }) => `${variable} ${problem}`);
    throw error;
  }
}

test.each([
  'smtp://user:secret@mail.example.com:587',
  'smtps://mail.example.com',
  'file:///var/mail/welcome.jsonl',
])('takes %s', (url) => {
  expect(faultsOf({ MAILER_URL: url })).toEqual([]);
});

test.each([
  ['http://mail.example.com', 'is not a URL that starts with smtp://'],
  ['mail.example.com', 'is not a URL that starts with smtp://'],
  ['smtp://', 'names no host'],
  ['file://relative/path', 'names no file of this machine'],
  ['file:///var/mail/', 'names no file of this machine'],
])('refuses %s, saying what is wrong with it', (url, problem) => {
  expect(faultsOf({ MAILER_URL: url })).toEqual([expect.stringContaining(`MAILER_URL ${problem}`)]);
});

test('names everything that is wrong at once, and no secret', () => {
  const faults = faultsOf({ MAILER_URL: 'imap://user:secret@host', MAIL_FROM: 'nobody' });

  expect(faults).toHaveLength(2);
  expect(faults.join()).not.toContain('secret');
});
