import type { EventLife, GroupProgress } from '@event-bus/operations';
import { age, oneLine, plural, text } from '../format.ts';
import { facts, table } from '../table.ts';

/** The life of an event, with what the environment adds to it. */
export interface Shown extends EventLife {
  /** `null` where no archive is configured, or where it is not known what to look for. */
  readonly archive: readonly { readonly key: string; readonly entryId: string }[] | null;
  /** `null` without a trace, or without JAEGER_URL. */
  readonly traceUrl: string | null;
}

/** The life of an event, for people. */
export function describeLife(shown: Shown): string {
  const { eventId, outbox, groups, letters, actions } = shown;
  const head = facts([
    ['event', outbox === null ? eventId : `${eventId}  ${outbox.eventType} v${outbox.eventVersion}`],
    ...(outbox === null
      ? []
      : ([
          ['aggregate', `${outbox.aggregateType} ${outbox.aggregateId}`],
          ['tenant', `${outbox.tenantId}, actor ${outbox.actorId}`],
          ['occurred', `${outbox.occurredAt.toISOString()}, ${age(outbox.occurredAt)} ago`],
          ['payload', plural(outbox.payloadBytes, 'byte')],
        ] as const)),
    ['outbox', outboxText(shown)],
    ['stream', streamText(shown)],
    ['archive', archiveText(shown)],
    ['trace', traceText(shown)],
  ]);
  return [
    head,
    ...(groups.length === 0 ? [] : ['', groupTable(groups)]),
    ...letters.flatMap((letter) => [
      '',
      `dead letter of ${letter.group}${ofReplay(letter.replayId)}: ${letter.state} since ${letter.resolvedAt ?? letter.deadAt}, ` +
        `redriven ${plural(letter.redrives, 'time')}`,
      `  ${oneLine(letter.reason)}`,
      ...letter.history.map(
        ({ at, consumer, error }) => `  ${new Date(at).toISOString()}  ${text(consumer)}  ${oneLine(error)}`,
      ),
    ]),
    ...(actions.length === 0 ? [] : ['']),
    ...actions.map(
      ({ at, operator, action, groups, reason }) =>
        `${at.toISOString()}  ${action} for ${groups.join(', ')} by ${operator}${reason === null ? '' : `: ${oneLine(reason)}`}`,
    ),
  ].join('\n');
}

function outboxText({ outbox, batch }: Shown): string {
  if (outbox === null) return 'not in this outbox: it was never appended here, or its partition was dropped';
  const position = `position ${outbox.position}, ${outbox.status}`;
  if (outbox.status === 'parked') return `${position}: ${oneLine(text(outbox.reason))}`;
  if (batch === null) return `${position}, in it for ${age(outbox.insertedAt)}`;
  return `${position} ${age(batch.writtenAt)} ago in batch ${batch.number} of ${plural(batch.events, 'event')}`;
}

function streamText({ entry, place, isTrimmed }: Shown): string {
  if (entry !== null) return `${entry.stream} ${entry.id}`;
  if (place === null) return 'not written yet, as far as is known';
  if (isTrimmed) return `${place.stream}, from which it was trimmed`;
  return `${place.stream}, where it no longer stands: trimmed, or lost and to be written again`;
}

function archiveText({ archive, place }: Shown): string {
  if (archive === null) return place === null ? '-' : 'not looked at: ARCHIVE_URL is not set';
  if (archive.length === 0) return 'not there';
  return archive.map(({ key, entryId }) => `${key} (${entryId})`).join(', ');
}

function traceText({ traceId, traceUrl }: Shown): string {
  return traceUrl ?? text(traceId);
}

function groupTable(groups: readonly GroupProgress[]): string {
  return table(
    [
      { title: 'GROUP', text: ({ group, replayId }) => `${group}${ofReplay(replayId)}` },
      { title: 'STATE', text: ({ state }) => state },
      {
        title: 'ATTEMPTS',
        right: true,
        text: ({ attempts }) => (attempts === null ? '-' : String(attempts)),
      },
      { title: 'AGO', right: true, text: ({ at }) => age(at) },
      { title: 'WHY', text: whyOf },
    ],
    groups,
  );
}

function whyOf({ consumer, deliveries, dueAt, reason }: GroupProgress): string {
  const held =
    consumer === null ? [] : [`held by ${consumer}, handed out ${plural(deliveries ?? 0, 'time')}`];
  const due = dueAt === null ? [] : [`next attempt at ${dueAt.toISOString()}`];
  return text([...held, ...due, ...(reason === null ? [] : [oneLine(reason)])].join('; '));
}

function ofReplay(replayId: string): string {
  return replayId === '' ? '' : ` (replay ${replayId})`;
}
