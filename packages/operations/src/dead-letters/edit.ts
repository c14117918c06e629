import { isDeepStrictEqual } from 'node:util';
import {
  type ContractIssue,
  ContractViolationError,
  type EventCatalog,
  platformCatalog,
  validateNewEvent,
} from '@event-bus/contracts';
import { recordAction, recordActionEvents } from '@event-bus/database';
import {
  type LetterRecord,
  type LetterSelection,
  markRedriving,
  pagesInOrder,
  readClock,
  replacePayload,
} from '@event-bus/inbox';
import { LetterChangedError, PayloadRefusedError, SingleLetterError } from '../errors.ts';
import { followRedrive, injectOrLeave } from './follow-redrive.ts';
import { injectLetters } from './inject.ts';
import { type RedriveReport, reportRedrive } from './redrive-report.ts';
import type { RedriveRequest } from './redrive-request.ts';
import type { LetterServers } from './request.ts';

/**
 * The one dead letter that a selection names.
 * @throws SingleLetterError it names none, or several.
 */
export async function findLetterToEdit(
  { db }: Pick<LetterServers, 'db'>,
  selection: LetterSelection,
): Promise<LetterRecord> {
  const frozen = { selection, cutOff: await readClock(db), states: ['dead'] as const };
  for await (const letters of pagesInOrder(db, frozen, { pageSize: 2, limit: 2 })) {
    const [letter, ...others] = letters;
    if (letter !== undefined && others.length === 0) return letter;
    throw new SingleLetterError(letters.map(({ group, eventId }) => `${eventId} of ${group}`));
  }
  throw new SingleLetterError([]);
}

/**
 * Checks a payload that is to take the place of a letter's, and returns the text that is stored: what a producer could
 * have appended under the type and version of the event.
 * @throws PayloadRefusedError naming every fault by its path.
 */
export function checkPayload(
  { eventId, eventType, fields }: LetterRecord,
  payload: unknown,
  catalog: EventCatalog = platformCatalog,
): string {
  const event = {
    type: eventType,
    version: Number(fields.event_version),
    aggregateType: fields.aggregate_type ?? '',
    aggregateId: fields.aggregate_id ?? '',
    tenantId: fields.tenant_id ?? '',
    actorId: fields.actor_id ?? '',
    payload,
  };
  try {
    return validateNewEvent(event, { catalog }).payloadText;
  } catch (error) {
    if (!(error instanceof ContractViolationError)) throw error;
    throw new PayloadRefusedError(`${eventType} ${eventId}`, error.issues satisfies readonly ContractIssue[]);
  }
}

/** Whether a payload, as {@link checkPayload} returned it, says nothing else than the letter's own. */
export function isSamePayload({ fields }: LetterRecord, payload: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(fields.payload ?? ''), JSON.parse(payload));
  } catch {
    // It may have died of being no JSON.
    return false;
  }
}

/**
 * Replaces the payload of a dead letter and has it handled again, in one transaction with the record of who did it, why,
 * and of both payloads. Its group sees the event under its old ID; no other group sees it.
 * @param payload as {@link checkPayload} returned it.
 * @throws LetterChangedError it is no longer as it was read, or waits behind an earlier dead letter of its aggregate.
 */
export async function redriveEdited(
  servers: LetterServers,
  letter: LetterRecord,
  payload: string,
  { operator, reason, follow }: Pick<RedriveRequest, 'operator' | 'reason' | 'follow'>,
): Promise<RedriveReport> {
  const { db } = servers;
  const { group, eventId } = letter;
  const frozen = { selection: { group, eventIds: [eventId] }, cutOff: letter.deadAt };
  const { actionId, letters } = await db.transaction().execute(async (trx) => {
    const actionId = await recordAction(trx, {
      operator,
      action: 'edit',
      group,
      reason,
      details: { eventId },
    });
    const isReplaced = await replacePayload(trx, letter, payload);
    const details = { payload: { before: letter.fields.payload ?? '', after: payload } };
    await recordActionEvents(trx, actionId, [{ ...letter, details }]);
    const letters = await markRedriving(trx, frozen, { limit: 1, actionId });
    if (!isReplaced || letters.length === 0) throw new LetterChangedError(eventId, group);
    return { actionId, letters };
  });
  if (follow === null) {
    await injectLetters(servers, letters);
    return reportRedrive(servers, frozen, { actionId, end: 'complete' });
  }
  await injectOrLeave(servers, letters, follow.onAway);
  const { end } = await followRedrive(servers, actionId, follow);
  return reportRedrive(servers, frozen, { actionId, end: end === 'settled' ? 'complete' : end });
}
