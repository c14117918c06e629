import type { BusDatabase } from '@event-bus/database';
import type { EventTransport, StreamObserver } from '@event-bus/transport';
import type { Kysely } from 'kysely';
import { type GroupView, listGroups } from '../groups.ts';
import type { OutboxPool } from '../outbox-pool.ts';
import { surveyStreams } from '../reconcile.ts';
import { registeredStreams } from '../topology.ts';
import { StreamUnreadableError, unlessUnreadable } from '../unreadable.ts';
import { type Finding, reportTo } from './finding.ts';

/** What streams and groups are looked at with. */
export interface StreamParts {
  readonly pool: OutboxPool;
  readonly bus: Kysely<BusDatabase>;
  readonly transport: EventTransport;
  readonly observer: StreamObserver;
}

/** Looks whether each stream is one, and holds what the outbox has recorded of it. */
export async function checkStreams(parts: StreamParts, findings: Finding[]): Promise<void> {
  const { pool, bus, transport, observer } = parts;
  const names = [...(await registeredStreams(bus)).keys()];
  if (names.length === 0)
    reportTo(findings, 'topics').warning(
      'no topic is registered',
      'start a publisher or a runner: they register the topics of their contracts',
    );
  const unreadable = new Set<string>();
  for (const name of names) {
    const look = await unlessUnreadable(observer, name, () =>
      Promise.all([observer.stream(name), observer.groups(name)]),
    );
    if (!(look instanceof StreamUnreadableError)) continue;
    unreadable.add(name);
    reportTo(findings, `stream ${name}`).problem(look.found, look.advice);
  }
  const surveys = await surveyStreams({ pool, busDatabase: bus, transport }, unreadable);
  for (const { stream, intact, lostEvents } of surveys) {
    if (!intact)
      reportTo(findings, `stream ${stream}`).problem(
        `${lostEvents} events that were written to it are gone: it went back in time`,
        'a publisher that leads writes them again within seconds; `bus reconcile` does it now',
      );
  }
  if (names.length > 0 && unreadable.size === 0)
    reportTo(findings, 'streams').ok(`${names.length}, with all that was written to them`);
}

/** From when on what a runner or the mover is due to do is late. */
const patienceMs = 60_000;

/** Looks whether each group is where it has to be, and somebody works for it. */
export async function checkGroups(
  { bus, observer }: Pick<StreamParts, 'bus' | 'observer'>,
  findings: Finding[],
): Promise<void> {
  const views = await listGroups({ bus, observer });
  const registered = Map.groupBy(
    views.filter(({ state }) => state !== 'unregistered'),
    ({ group }) => group,
  );
  for (const [group, places] of registered) checkGroup(group, places, findings);
  for (const { group, stream, state } of views) {
    if (state === 'unregistered')
      reportTo(findings, `group ${group}`).warning(
        `it is on ${stream}, and no runner ever registered it: nobody reads for it, and no trim waits for it`,
        `if it is a leftover, XGROUP DESTROY ${stream} ${group}; a consumer of this bus registers itself when it starts`,
      );
  }
  if (registered.size === 0)
    reportTo(findings, 'groups').warning(
      'no group is registered',
      'start a consumer-runner: events are published and handled by nobody',
    );
}

function checkGroup(group: string, places: readonly GroupView[], findings: Finding[]): void {
  const report = reportTo(findings, `group ${group}`);
  const [{ runners, pause, circuit } = { runners: 0, pause: null, circuit: null }] = places;
  const counted = `${runners} ${runners === 1 ? 'runner' : 'runners'}`;
  if (runners === 0)
    report.problem(
      'no runner of it was heard of lately: its events wait, and keep their streams from being trimmed',
      'start its consumer-runner; if it is gone for good, remove it: runbook BusGroupWithoutRunner',
    );
  if (pause !== null)
    report.warning(
      `it was paused by ${pause.by || 'somebody'}${pause.reason === null ? '' : `: ${pause.reason}`}`,
      `\`bus resume ${group}\` when that is over`,
    );
  if (circuit !== null)
    report.problem(
      `its circuit is open on ${circuit.runners} of ${counted}: ${circuit.error}`,
      'bring back what its handlers need; the circuit closes by itself: runbook BusCircuitOpen',
    );
  const missing = places.filter(({ state, awaitsHistory }) => state === 'missing' && !awaitsHistory);
  if (missing.length > 0)
    report.warning(
      `Redis does not know it on ${missing.map(({ stream }) => stream).join(', ')}`,
      'its runner creates it when it next reads: runbook BusGroupMissing',
    );
  const givenUp = places.filter(
    ({ failed, oldestPendingIdleMs }) => (failed ?? 0) > 0 && (oldestPendingIdleMs ?? 0) > patienceMs,
  );
  if (givenUp.length > 0)
    report.problem(
      `it has given up entries on ${givenUp.map(({ stream }) => stream).join(', ')}, and nobody makes them dead letters`,
      'start a dlq-mover for the database of its inbox; `bus pending --state given-up` lists them',
    );
  const onHistory = places.some(({ awaitsHistory }) => awaitsHistory);
  const untold = places.filter(({ state }) => state === 'unreadable').map(({ stream }) => stream);
  report.ok(
    `${counted}${onHistory ? ', given its history first' : ''}${untold.length === 0 ? '' : `; how it stands on ${untold.join(', ')} cannot be told`}`,
  );
}
