import { setTimeout as delay } from 'node:timers/promises';
import {
  type LoggedEvent,
  readLogBounds,
  readLoggedEvents,
  readLogWindow,
  readSource,
} from '@event-bus/outbox/log';
import { type AuditServers, examine, type Finding, type Surroundings } from './examine.ts';
import { findPlaces, type Place, searchStream } from './places.ts';
import { type AuditFault, type AuditReport, toAccount } from './report.ts';
import { type EventState, isFault } from './states.ts';
import { readStreams } from './streams.ts';
import { findTargets, type Target } from './targets.ts';

/** What is to be accounted for: everything, unless it says less. */
export interface AuditRequest {
  readonly group?: string;
  readonly topic?: string;
  /** Events appended at this time or later. */
  readonly from?: Date;
  /** Events appended before. */
  readonly to?: Date;
  /** Faults beyond so many are counted, and neither listed nor looked for in whole streams. */
  readonly maxFaults?: number;
}

/** Positions that are read at a time. */
const windowSize = 2_000;
/** Pauses before those events are looked at again that are in no state, or in two. */
const patienceMs = [300, 1_500] as const;

/**
 * Accounts for every event of an outbox in every group whose inbox is in the given database, and reads only. It reads
 * the log from its first event to what is the last one when it begins, a window at a time, and keeps no more than that
 * and the faults in memory. For each window and group it asks the inbox; Redis only for what that does not know, which
 * takes as long as the backlog is.
 *
 * Correct under live traffic: what is found in no state, or in two, is looked at again before it is reported, at the
 * end in whole streams.
 * @throws UnknownGroupError @throws UnknownTopicError what is asked for is not registered.
 */
export async function audit(servers: AuditServers, request: AuditRequest = {}): Promise<AuditReport> {
  const { pool, observer } = servers;
  const { from, to, maxFaults = 1_000 } = request;
  const source = await readSource(pool);
  const { seen, unseen, partitions } = await findTargets(servers, { ...request, source });
  const [known, bounds] = await Promise.all([readLogBounds(pool), readLogBounds(pool, { from, to })]);
  const streams = [...new Set(seen.flatMap((target) => target.streams))];
  const { trimmed, sources } = await readStreams(servers, streams, source);
  const surroundings: Surroundings = {
    partitions,
    trimmed,
    findPlaces: (events) => findPlaces({ pool, observer }, events),
  };

  const counts = new Map(seen.map((target) => [target, new Map<EventState, number>()]));
  const count = ({ target, state }: Finding) => {
    const own = counts.get(target);
    own?.set(state, (own.get(state) ?? 0) + 1);
  };
  const suspects: Finding[] = [];
  const topics = [...new Set(seen.flatMap((target) => [...target.topics]))];
  for (let first = bounds?.first ?? 1; first <= (bounds?.last ?? 0); first += windowSize) {
    const last = Math.min(first + windowSize - 1, bounds?.last ?? 0);
    const events = await readLogWindow(pool, { first, last, topics, from, to });
    const asked = new Map(
      seen.map((target) => [target, events.filter(({ topic }) => target.topics.has(topic))]),
    );
    const [clear, doubtful] = split(await examine(servers, surroundings, asked));
    // What moved meanwhile is settled by now: only what is not becomes a suspect.
    const [moved, left] = split(await examine(servers, surroundings, await readAgain(servers, doubtful)));
    const room = maxFaults - suspects.length;
    suspects.push(...left.slice(0, room));
    for (const finding of [...clear, ...moved, ...left.slice(room)]) count(finding);
  }
  const faults: AuditFault[] = [];
  for (const finding of await lookAgain(servers, surroundings, suspects)) {
    count(finding);
    if (isFault(finding.state)) faults.push(toFault(finding, finding.state));
  }

  const groups = [...counts].map(([{ group }, own]) => toAccount(group, own));
  const all = groups.reduce(
    (sum, { states }) => sum + (states.missing ?? 0) + (states.contradictory ?? 0),
    0,
  );
  return {
    source,
    positions: bounds,
    knownFrom: known?.first ?? null,
    groups,
    faults: faults.toSorted((a, b) => a.position - b.position),
    otherFaults: all - faults.length,
    unseenGroups: unseen,
    otherSources: [...sources].filter((name) => name !== source).sort(),
  };
}

/** Those that are accounted for, and those that are not. */
function split(findings: readonly Finding[]): [clear: Finding[], doubtful: Finding[]] {
  return [findings.filter(({ state }) => !isFault(state)), findings.filter(({ state }) => isFault(state))];
}

/** Looks again, a few times and at the end in whole streams, at what is in no state, or in two. */
async function lookAgain(
  servers: AuditServers,
  surroundings: Surroundings,
  suspects: readonly Finding[],
): Promise<Finding[]> {
  const cleared: Finding[] = [];
  let left = suspects;
  for (const [round, pauseMs] of patienceMs.entries()) {
    if (left.length === 0) break;
    await delay(pauseMs);
    const isLast = round === patienceMs.length - 1;
    const findings = await examine(
      servers,
      isLast
        ? { ...surroundings, findPlaces: (events) => findEverywhere(servers, left, events) }
        : surroundings,
      await readAgain(servers, left),
    );
    const [clear, doubtful] = split(findings);
    cleared.push(...clear);
    left = doubtful;
  }
  return [...cleared, ...left];
}

/** The same events as they stand now; those that were dropped meanwhile stay as they were. */
async function readAgain(
  { pool }: AuditServers,
  findings: readonly Finding[],
): Promise<Map<Target, LoggedEvent[]>> {
  if (findings.length === 0) return new Map();
  const positions = [...new Set(findings.map(({ event }) => event.position))];
  const now = new Map((await readLoggedEvents(pool, positions)).map((event) => [event.eventId, event]));
  return new Map(
    [...Map.groupBy(findings, ({ target }) => target)].map(([target, own]) => [
      target,
      own.map(({ event }) => now.get(event.eventId) ?? event),
    ]),
  );
}

/** Through the records of batches, and in all streams of the groups. */
async function findEverywhere(
  servers: AuditServers,
  suspects: readonly Finding[],
  events: readonly LoggedEvent[],
): Promise<Map<string, Place[]>> {
  const places = await findPlaces(servers, events);
  const eventIds = new Set(events.map(({ eventId }) => eventId));
  for (const stream of new Set(suspects.flatMap(({ target }) => target.streams))) {
    const found = await searchStream(servers.observer, stream, eventIds);
    for (const [eventId, ids] of found) {
      const place = { stream, ids, batch: null, isToBeRewritten: false };
      places.set(eventId, [...(places.get(eventId) ?? []), place]);
    }
  }
  return places;
}

function toFault({ target, event, account }: Finding, state: AuditFault['state']): AuditFault {
  const { eventId, position, topic, eventType } = event;
  return { group: target.group, eventId, position, topic, eventType, state, ...account };
}
