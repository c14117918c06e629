import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFileMailer, readMails } from './file-mailer.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-mailer-'));
  file = join(folder, 'mails.jsonl');
});

afterEach(() => rm(folder, { recursive: true }));

const mail = (key: string) => ({
  to: `${key}@example.com`,
  subject: 'Hi',
  text: 'two\nlines',
  idempotencyKey: key,
});

test('keeps every message that many senders append at once, each on a line of its own', async () => {
  const keys = Array.from({ length: 200 }, (_, n) => `key-${n}`);
  await Promise.all(keys.map((key) => createFileMailer(file).send(mail(key))));

  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(200);
  expect((await readMails(file)).map(({ idempotencyKey }) => idempotencyKey).sort()).toEqual(keys.sort());
});

test('a message that was sent again is in the file twice and in the mailbox once', async () => {
  const mailer = createFileMailer(file);
  await mailer.send(mail('a'));
  await mailer.send(mail('b'));
  await mailer.send(mail('a'));

  expect((await readFile(file, 'utf8')).trimEnd().split('\n')).toHaveLength(3);
  expect(await readMails(file)).toEqual([mail('a'), mail('b')]);
});

test('a file that cannot be written is an error', async () => {
  await expect(createFileMailer(join(folder, 'missing', 'mails.jsonl')).send(mail('a'))).rejects.toThrow(
    'ENOENT',
  );
});
