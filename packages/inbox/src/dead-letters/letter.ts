import type { InboxKey } from '../handled.ts';

/** An attempt that failed. */
export interface LetterAttempt {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly consumer: string;
  readonly error: string;
}

/** An event that a group is to give up, with all that is known of why. */
export interface Letter extends InboxKey {
  /** The topic's stream, and the ID the entry had there, or among what was injected. */
  readonly stream: string;
  readonly streamId: string;
  /** It had been injected: a redrive that failed again, or a replay. */
  readonly injected: boolean;
  readonly kind: string;
  readonly reason: string;
  readonly error: string;
  readonly stack: string;
  readonly fingerprint: string;
  readonly attempts: number;
  readonly history: readonly LetterAttempt[];
  readonly deliveries: number;
  readonly consumer: string;
  /** Milliseconds since the epoch. */
  readonly firstDeliveredAt: number;
  /** The fields of its entry. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Attempts that a dead letter remembers: the first, and the last ones. */
export const rememberedAttempts = 20;

/** The text as PostgreSQL can hold it: without a NUL, which a foreign entry or an error may have. */
export function storable(text: string | undefined): string {
  return (text ?? '').replaceAll('\0', '\uFFFD').toWellFormed();
}
