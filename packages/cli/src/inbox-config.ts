import { postgresUrl, sameAs } from '@event-bus/config';

/** Where the inboxes of consumers are, and their dead letters with them. */
export const inboxConfig = { INBOX_DATABASE_URL: sameAs('DATABASE_URL', postgresUrl()) };
