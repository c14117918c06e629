/** One message to one person. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** The same whenever this message is sent again: whoever receives it can tell a repeat by it. */
  readonly idempotencyKey: string;
}

/**
 * Sends mail. When `send` resolves, somebody else is responsible for the message; when it rejects, it may have been
 * sent all the same. Sending again is left to the caller, and the key makes it harmless.
 */
export interface Mailer {
  /** @throws MailboxRefusedError the address will never take mail; anything else may be tried again. */
  send(mail: Mail): Promise<void>;
}

/** The receiving server refused the address for good. */
export class MailboxRefusedError extends Error {
  override readonly name = 'MailboxRefusedError';
  readonly code = 'mailbox_refused';

  constructor(reply: string, options?: ErrorOptions) {
    super(`the server refused the recipient: ${reply}`, options);
  }
}
