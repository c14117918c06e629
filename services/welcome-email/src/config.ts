import { type Fragment, fragment, Secret } from '@event-bus/config';
import { z } from 'zod';

const protocols = ['smtp:', 'smtps:', 'file:'];

function mailerUrl(): Fragment<Secret> {
  return fragment({
    example: 'smtp://user:password@host:587, or file:///var/mail/welcome.jsonl',
    parse: (text) => {
      const url = URL.parse(text);
      if (url === null || !protocols.includes(url.protocol)) {
        return { problem: 'is not a URL that starts with smtp://, smtps:// or file://' };
      }
      if (url.protocol !== 'file:' && url.hostname === '') return { problem: 'names no host' };
      if (url.protocol === 'file:' && (url.hostname !== '' || url.pathname.endsWith('/'))) {
        return { problem: 'names no file of this machine: file:// is followed by an absolute path' };
      }
      return { value: new Secret(text) };
    },
  });
}

/** What the welcome mail needs from the environment, beside what its runner needs. */
export const config = z.object({
  /** Where mails go: to an SMTP server, or, to look at them, to a file with one line of JSON for each. */
  MAILER_URL: mailerUrl(),
  /** The sender's address. */
  MAIL_FROM: z
    .email('is not an address such as welcome@example.com')
    .default('welcome@localhost.localdomain'),
});
