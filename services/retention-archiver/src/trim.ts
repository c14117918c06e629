import { loadGroups, loadRetention, recordTrimmed, type SourceEvent } from '@event-bus/database';
import { formerStreams, readersOf, trimTerms } from '@event-bus/operations';
import { compareEntryIds, type LastOfSources } from '@event-bus/transport';
import { OvertakenError, StreamChangedError } from './errors.ts';
import { nameOf, type Sweep } from './sweep.ts';
import { sourceEvent } from './tally.ts';

/**
 * Trims a stream as far as nothing stands against it. First it is recorded, in terms of each outbox, then done: a publisher
 * never takes for lost what is trimmed. Whether anybody needs what goes is looked at once more in the step that trims.
 * @throws StreamChangedError, OvertakenError
 */
export async function trim(sweep: Sweep): Promise<void> {
  const { bus, stream, trimmer, observer } = sweep;
  const retention = await loadRetention(bus, stream);
  const anchor = nameOf(retention?.archived ?? null);
  if (retention === undefined || anchor === undefined) return;
  const bounds = await trimmer.bounds(stream, (await groupsOn(sweep)).groups, anchor);
  const [binding] = trimTerms(bounds, retention, sweep.windowFrom);
  const { firstId } = bounds;
  if (!bounds.anchored || binding === undefined || firstId === null) return;
  if (compareEntryIds(binding.keepFrom, firstId) <= 0) return;

  const { trimmedTo } = retention;
  // Of a source without a new event in the archive nothing can be found.
  const hasNews = (source: string) => {
    const known = retention.sources.get(source);
    return known === undefined || known.archived?.eventId !== known.trimmed?.eventId;
  };
  const sources = new Set([...bounds.writers.keys()].filter(hasNews));
  const part = { anchor, below: binding.keepFrom };
  const goes = await unlessChanged(
    stream,
    trimmer.lastOfSources(stream, { ...part, behind: trimmedTo, sources }),
  );
  let upTo = goes.upTo;
  if (upTo !== null) {
    const lastOf = eventsOf(goes);
    if (!(await recordTrimmed(bus, stream, { from: trimmedTo, to: upTo, lastOf })))
      throw new OvertakenError(stream);
  } else {
    // Recorded before, and not done; or a backup of Redis has brought back what was trimmed.
    const left = { ...part, behind: null, sources: new Set<string>() };
    upTo = (await unlessChanged(stream, trimmer.lastOfSources(stream, left))).upTo;
  }
  if (upTo === null) return;
  const result = await trimmer.trim(stream, { upTo, anchor, ...(await groupsOn(sweep)) });
  if (result.outcome === 'trimmed') observer.trimmed(stream, result.removed, upTo);
  else if (result.reason === 'changed')
    throw new StreamChangedError(stream, 'what is archived is no longer there');
}

/**
 * The groups that are to read the stream now, and those that read it though nobody registered them. A sweep may take long,
 * and who comes meanwhile needs what it has yet to read.
 */
async function groupsOn({ bus, streams, stream, topic }: Sweep): Promise<{
  readonly groups: readonly string[];
  readonly bystanders: readonly string[];
}> {
  // In this order: a group is registered before it reads, so that one which is found here is registered, or never was.
  const present = await streams.groupNames(stream);
  const registered = await loadGroups(bus);
  const isFormer = (await formerStreams(bus)).has(stream);
  const groups = readersOf(registered, topic, isFormer ? present : null);
  const bystanders = present.filter((name) => !groups.includes(name));
  return { groups, bystanders };
}

async function unlessChanged(stream: string, looking: Promise<LastOfSources | null>): Promise<LastOfSources> {
  const found = await looking;
  if (found === null) throw new StreamChangedError(stream, 'what is archived is no longer there');
  return found;
}

function eventsOf({ lastOf }: LastOfSources): Map<string, SourceEvent> {
  const events = new Map<string, SourceEvent>();
  for (const [source, { position, eventId }] of lastOf) {
    const event = sourceEvent(position, eventId);
    if (event !== undefined) events.set(source, event);
  }
  return events;
}
