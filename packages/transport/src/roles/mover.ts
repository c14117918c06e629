import type { DeadLetterDetails, StreamEntry } from '../entry.ts';
import type { EntryName, GroupRef, PendingEntry } from './entries.ts';

/** A dead letter as it is to stand in its stream. */
export interface DeadLetterCopy {
  /** Those of its entry. */
  readonly fields: Readonly<Record<string, string>>;
  readonly details: DeadLetterDetails;
  /** Where it stood, if it did: nothing is added while it stands there. */
  readonly deadLetterId?: string | undefined;
}

/** An entry that is to be injected. */
export interface Injection {
  readonly fields: Readonly<Record<string, string>>;
  /** Empty for a redrive of live traffic. */
  readonly replayId: string;
  /** Where it was injected before: nothing is added while it stands there. */
  readonly injectId?: string | undefined;
  /** The dead letter that this takes the place of, deleted in the same step. */
  readonly deadLetterId?: string | undefined;
}

/** Whoever injects a replay. Of two that inject the same one, the higher token supersedes the lower. */
export interface ReplayHolder {
  readonly replay: string;
  /** A whole number. */
  readonly token: string;
}

/** The next entries of a replay. */
export interface ReplayPart extends ReplayHolder {
  /** Entry of the stream up to which the replay is injected. */
  readonly at: string;
  /** The same when this part is injected. */
  readonly to: string;
  /** What the entries have in `replay_id`; empty for those that count as live traffic. */
  readonly replayId: string;
  /** None are fine: the part then only moves on. They are added by one script, so let them be few hundred. */
  readonly entries: readonly Pick<StreamEntry, 'fields'>[];
  /** Nothing is added while so many entries are injected and not settled, whoever injected them. */
  readonly limit: number;
}

/** What became of a part. IDs are those of the inject stream. */
export type ReplayOutcome =
  | {
      /** `full`: nothing was added. */
      readonly outcome: 'injected' | 'full';
      /** Under which the replay injected last; `0-0` if it has injected nothing since it was first taken. */
      readonly lastId: string;
      /** Of the first entry that is not settled, whoever injected it; `null` if all are. */
      readonly firstId: string | null;
    }
  /** Nothing was added: another holder has taken the replay. */
  | { readonly outcome: 'superseded' }
  /** Nothing was added: what was injected last is not there, or the replay is elsewhere. It has to be taken again. */
  | { readonly outcome: 'lost' };

/**
 * The side of those who give entries up and bring them back. Every step may be repeated. Each is one script; where
 * thousands are given, one script for each some hundred, in their order, so that an error may come after the first of
 * them were dealt with.
 */
export interface EntryMover {
  /**
   * Looks through one page of the pending list, of what nobody has touched for `minIdleMs`, and returns what waits to be
   * dead-lettered (its failure is final, or it was handed out `maxDeliveries` times) or stands in its stream no longer.
   */
  givenUp(
    ref: GroupRef,
    request: {
      readonly minIdleMs: number;
      readonly maxDeliveries: number;
      readonly count: number;
      readonly cursor?: string | null;
    },
  ): Promise<{ readonly entries: readonly PendingEntry[]; readonly cursor: string | null }>;
  /**
   * Moves a pending entry to the group's dead letters: the copy, the acknowledgement, the end of its failure record.
   * Returns the ID of the dead letter, or `null` if that event is no longer pending under this ID: after a lost reply
   * also if it was moved.
   * @throws CommandRejectedError the entry has thousands of fields.
   */
  deadLetter(ref: GroupRef, entry: EntryName, details: DeadLetterDetails): Promise<string | null>;
  /**
   * Writes again those dead letters that do not stand. Returns the IDs of all, in order.
   * @throws CommandRejectedError one has more than a thousand fields; nothing was written.
   */
  restore(ref: GroupRef, letters: readonly DeadLetterCopy[]): Promise<string[]>;
  /** Deletes dead letters, as far as they are of these events. Returns how many. */
  forget(ref: GroupRef, letters: readonly EntryName[]): Promise<number>;
  /**
   * Adds entries that only this group reads. Returns their IDs, in order. Who repeats it after a lost reply does not know
   * these IDs and adds the entries twice, which the inbox absorbs.
   * @throws CommandRejectedError one has more than a thousand fields; nothing was written.
   */
  inject(ref: GroupRef, entries: readonly Injection[]): Promise<string[]>;
  /**
   * Supersedes whoever injected a replay under a lower token; `null` if a higher one has superseded this one. Tells up to
   * which entry it is injected, and under which ID it injected last: what is known to the server, which forgets it together
   * with what was injected, or else `handledTo`.
   */
  takeReplay(
    ref: GroupRef,
    request: ReplayHolder & { readonly handledTo: string },
  ): Promise<{ readonly at: string; readonly lastId: string } | null>;
  /**
   * Injects the next entries of a replay, all or none, and moves its mark on, in one step: only if it was taken under this
   * token and is where it is expected. A call whose reply was lost can therefore be repeated: it says `lost` if the part
   * was injected.
   * @throws CommandRejectedError one has more than a thousand fields; nothing was injected.
   */
  injectReplay(ref: GroupRef, part: ReplayPart): Promise<ReplayOutcome>;
  /**
   * Forgets a replay. With `withdrawn`, what stands injected with this `replay_id` and nobody has read is taken back;
   * returns how many.
   */
  endReplay(ref: GroupRef, replay: string, options?: { readonly withdrawn?: string }): Promise<number>;
  /** How many entries are injected and not settled yet. */
  injectedCount(ref: GroupRef): Promise<number>;
  /** How many dead letters stand. */
  deadLetterCount(ref: GroupRef): Promise<number>;
  /**
   * Which of these entries do not stand among the group's dead letters, or among what is injected for it: no longer, or
   * for another event. Returns their IDs, in order. Costs no transport of what they hold.
   */
  absent(ref: GroupRef, from: 'dead-letters' | 'injected', entries: readonly EntryName[]): Promise<string[]>;
  /** Acknowledges entries that no longer stand in their stream. Returns how many were pending. */
  dropVanished(ref: GroupRef, ids: readonly string[]): Promise<number>;
  /** Removes a consumer name, if nothing is pending under it and it has been idle for so long, in one step. */
  removeIdleConsumer(ref: GroupRef, consumer: string, minIdleMs: number): Promise<boolean>;
  ping(): Promise<void>;
  close(): Promise<void>;
}
