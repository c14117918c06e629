import { z } from 'zod';
import { defineEvent } from './define-event.ts';
import { defineTopic } from './define-topic.ts';

/** The people who use the platform, one aggregate each. */
export const user = defineTopic('user', { partitions: 1, retention: { hot: '7d', cold: '90d' } });

/** The first form of {@link userCreated}, without a name. Kept because events of it are stored; not to be appended. */
export const userCreatedV1 = defineEvent(user, 'user.created', {
  version: 1,
  payload: z.object({ email: z.email() }),
});

/** Somebody signed up. */
export const userCreated = defineEvent(user, 'user.created', {
  version: 2,
  payload: z.object({ email: z.email(), name: z.string().min(1) }),
  upcast: {
    1: (payload) => {
      const { email } = userCreatedV1.payload.parse(payload);
      // Nobody was asked for a name then; the mailbox is what the screens showed instead.
      return { email, name: email.slice(0, email.indexOf('@')) };
    },
  },
});

/** Somebody took another name. */
export const userRenamed = defineEvent(user, 'user.renamed', {
  version: 1,
  payload: z.object({ name: z.string().min(1) }),
});

/** Somebody confirmed another address, which replaces the old one. */
export const userEmailChanged = defineEvent(user, 'user.email-changed', {
  version: 1,
  payload: z.object({ email: z.email() }),
});

/** Somebody's account was removed; no other event of this user follows. */
export const userDeleted = defineEvent(user, 'user.deleted', {
  version: 1,
  payload: z.object({ reason: z.string().optional() }),
});
