import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import type { config } from './config.ts';
import { createFileMailer } from './file-mailer.ts';
import type { Mailer } from './mailer.ts';
import { createSmtpMailer } from './smtp-mailer.ts';

/** The mailer that the configuration names. Nothing connects before the first message. */
export function createMailer({ MAILER_URL, MAIL_FROM }: z.output<typeof config>): Mailer {
  const url = MAILER_URL.reveal();
  return new URL(url).protocol === 'file:'
    ? createFileMailer(fileURLToPath(url))
    : createSmtpMailer({ url, from: MAIL_FROM });
}
