import type { History } from '@event-bus/archive';
import {
  type BusDatabase,
  insertReplay,
  loadGroup,
  type ReplayFilter,
  type ReplayRange,
  recordAction,
} from '@event-bus/database';
import type { Kysely } from 'kysely';
import { formerStreams, streamsOfGroup, streamsOfTopics } from '../topology.ts';
import { EmptyReplayError, FormerHistoryError, TopicNotReadError } from './errors.ts';
import { type ReplayBounds, rangeOf } from './range.ts';

/** What is to be replayed to whom. */
export interface ReplayWish extends ReplayBounds {
  readonly group: string;
  readonly topic: string;
  readonly eventType: string | null;
  readonly tenantId: string | null;
  readonly aggregateId: string | null;
}

/** A wish that can be granted: the ranges of all streams that have something of it. */
export interface ReplayPlan extends ReplayWish {
  readonly filter: ReplayFilter;
  readonly ranges: readonly ReplayRange[];
}

/**
 * Looks up what a replay would have to read. Changes nothing.
 * @throws UnknownGroupError, UnknownTopicError, TopicNotReadError
 * @throws HistoryExpiredError the beginning of the range is not there any more.
 * @throws FormerHistoryError the range begins before the topic had several partitions.
 * @throws EmptyReplayError there is nothing in the range.
 */
export async function planReplay(
  bus: Kysely<BusDatabase>,
  history: History,
  wish: ReplayWish,
): Promise<ReplayPlan> {
  const { group, topic, from, to, eventType, tenantId, aggregateId } = wish;
  await streamsOfGroup(bus, group);
  const streams = await streamsOfTopics(bus, topic);
  const { topics = [] } = (await loadGroup(bus, group)) ?? {};
  if (!topics.includes(topic)) throw new TopicNotReadError(group, topic, topics);
  await refuseFormer(bus, history, wish);
  const ranges: ReplayRange[] = [];
  for (const stream of streams) {
    const range = await rangeOf(history, stream, { from, to });
    if (range !== undefined) ranges.push(range);
  }
  if (ranges.length === 0) throw new EmptyReplayError(topic);
  const occurred = {
    occurredFrom: 'at' in from ? from.at : null,
    occurredTo: to !== undefined && 'at' in to ? to.at : null,
  };
  return { ...wish, ranges, filter: { ...occurred, eventType, tenantId, aggregateId } };
}

async function refuseFormer(
  bus: Kysely<BusDatabase>,
  history: History,
  { topic, from }: ReplayWish,
): Promise<void> {
  // Not widened: what comes a moment later is all in the streams that are read.
  const exactly = 'at' in from ? { id: `${from.at.getTime()}-0` } : from;
  for (const [stream, name] of await formerStreams(bus)) {
    if (name !== topic) continue;
    const lastId = (await rangeOf(history, stream, { from: exactly, to: undefined }))?.lastId ?? null;
    if (lastId !== null) throw new FormerHistoryError(topic, stream, lastId);
  }
}

/** Asks for a planned replay: a replayer takes it up. Returns its ID. */
export async function requestReplay(
  bus: Kysely<BusDatabase>,
  plan: ReplayPlan,
  request: { readonly operator: string; readonly reason: string | null; readonly rate: number | null },
): Promise<string> {
  const { group, topic, filter, ranges } = plan;
  const { operator, reason, rate } = request;
  return bus.transaction().execute(async (trx) => {
    const replay = { group, topic, filter, ranges, rate, reason, requestedBy: operator };
    const id = await insertReplay(trx, replay);
    const details = { replay: id, topic, filter, ranges, rate };
    await recordAction(trx, { operator, action: 'replay', group, reason, details });
    return id;
  });
}
