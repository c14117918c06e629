import { appendFile, readFile } from 'node:fs/promises';
import type { Mail, Mailer } from './mailer.ts';

/**
 * Appends each message to a file, as a line of JSON in a single write: several processes may share the file. A
 * message that is sent twice stands there twice, as it would be on its way twice by SMTP.
 */
export function createFileMailer(path: string): Mailer {
  return {
    async send({ to, subject, text, idempotencyKey }) {
      await appendFile(path, `${JSON.stringify({ idempotencyKey, to, subject, text })}\n`);
    },
  };
}

/** The messages of a file as their receivers see them: each key once, the first that came. */
export async function readMails(path: string): Promise<readonly Mail[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  const byKey = new Map<string, Mail>();
  for (const line of lines) {
    const mail = JSON.parse(line) as Mail;
    if (!byKey.has(mail.idempotencyKey)) byKey.set(mail.idempotencyKey, mail);
  }
  return [...byKey.values()];
}
