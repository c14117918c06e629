import { type ConsumerDefinition, deadLetter, defineConsumer, exponential, on } from '@event-bus/consumer';
import { userCreated } from '@event-bus/contracts';
import { MailboxRefusedError, type Mailer } from './mailer.ts';

/**
 * Welcomes everybody who signs up.
 *
 * A mail is an effect outside the database, so it cannot be undone with the transaction: when this process dies
 * between the server's "accepted" and the commit, the event is handled again and the mail is sent again. It is sent
 * at least once; the idempotency key, the same every time, is what makes the repeat harmless.
 */
export function createWelcomeEmail(mailer: Mailer): ConsumerDefinition {
  return defineConsumer({
    group: 'welcome-email',
    // A mail server may be away for hours: eleven attempts reach over 7.5 hours at least, and 15 at most.
    retry: { maxAttempts: 11, backoff: exponential('2s', { max: '4h', factor: 4 }) },
    handlers: [
      on(userCreated, async ({ payload }, { idempotencyKey }) => {
        try {
          await mailer.send({
            to: payload.email,
            subject: `Welcome, ${payload.name}`,
            text: `Hello ${payload.name},\n\nyour account is ready.\n`,
            idempotencyKey,
          });
        } catch (error) {
          if (error instanceof MailboxRefusedError) return deadLetter(error.message);
          throw error;
        }
      }),
    ],
  });
}
