import { createHash } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { MailboxRefusedError, type Mailer } from './mailer.ts';

// Well below a handler's time-out, so that it hears what is wrong with the server.
const patienceMs = 10_000;

/**
 * Sends through an SMTP server, over a connection for each message. The Message-ID is made from the idempotency
 * key: a message that was sent twice has one identity, by which servers and mailboxes recognise the repeat.
 */
export function createSmtpMailer(options: { readonly url: string; readonly from: string }): Mailer {
  const { url, from } = options;
  const transport = createTransport({
    url,
    connectionTimeout: patienceMs,
    greetingTimeout: patienceMs,
    socketTimeout: patienceMs,
  });
  const domain = from.slice(from.lastIndexOf('@') + 1);
  return {
    async send({ to, subject, text, idempotencyKey }) {
      try {
        await transport.sendMail({
          from,
          to: { name: '', address: to },
          subject,
          text,
          messageId: messageId(idempotencyKey, domain),
        });
      } catch (error) {
        throw refusalOf(error) ?? error;
      }
    },
  };
}

/** A hash: a key may hold characters that no Message-ID may. */
function messageId(idempotencyKey: string, domain: string): string {
  return `<${createHash('sha256').update(idempotencyKey).digest('hex')}@${domain}>`;
}

function refusalOf(error: unknown): MailboxRefusedError | undefined {
  if (!(error instanceof Error && 'responseCode' in error && 'command' in error)) return undefined;
  const { responseCode, command } = error;
  const isFinal = command === 'RCPT TO' && typeof responseCode === 'number' && responseCode >= 500;
  return isFinal ? new MailboxRefusedError(`status ${responseCode}`, { cause: error }) : undefined;
}
