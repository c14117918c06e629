import { GroupMissingError, type GroupRef, type StreamObserver } from '@event-bus/transport';
import { expect } from 'vitest';

/** Handled, dead, discarded and waiting events are all that were appended, and nothing contradicts itself. */
export interface Account {
  readonly appended: number;
  readonly handled: number;
  readonly dead: number;
  readonly discarded: number;
  readonly waiting: number;
  /** Events that are done and dead, dead without a letter, or dead once and copied twice. */
  readonly contradictions: readonly string[];
}

/** What is known of the events of one group on one stream. */
export interface Books {
  readonly appended: ReadonlySet<string>;
  /** Outcomes. */
  readonly inbox: ReadonlyMap<string, string>;
  readonly letters: ReadonlyMap<string, { readonly state: string }>;
  /** Event IDs. */
  readonly copies: readonly string[];
  readonly waiting: ReadonlySet<string>;
}

/** What became of all that was appended. */
export function accountOf({ appended, inbox, letters, copies, waiting }: Books): Account {
  const all = [...appended];
  const of = (outcome: string) => all.filter((id) => inbox.get(id) === outcome);
  const copied = Map.groupBy(copies, (id) => id);
  const isOpen = (id: string) => ['dead', 'redriving'].includes(letters.get(id)?.state ?? '');
  return {
    appended: all.length,
    handled: of('done').length,
    dead: of('dead').length,
    discarded: of('discarded').length,
    waiting: all.filter((id) => !inbox.has(id) && waiting.has(id)).length,
    contradictions: [
      ...of('done').filter((id) => isOpen(id) || copied.has(id)),
      ...of('dead').filter((id) => !letters.has(id)),
      ...all.filter((id) => (copied.get(id)?.length ?? 0) > 1),
    ],
  };
}

/** The events that are pending: none if Redis has forgotten the group. */
export async function pendingEvents(streams: StreamObserver, ref: GroupRef): Promise<Set<string>> {
  const found = new Set<string>();
  try {
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<StreamObserver['pending']>> = await streams.pending(ref, after, 1_000);
      for (const { fields } of page) found.add(fields?.event_id ?? '');
      after = page.at(-1)?.id ?? null;
    } while (after !== null);
  } catch (error) {
    if (!(error instanceof GroupMissingError)) throw error;
  }
  return found;
}

/** Fails the test unless everything that was appended is accounted for, in one way. */
export function expectBalanced(account: Account): void {
  const { appended, handled, dead, discarded, waiting, contradictions } = account;
  expect({ accountedFor: handled + dead + discarded + waiting, contradictions }).toEqual({
    accountedFor: appended,
    contradictions: [],
  });
}
