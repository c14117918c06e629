import type { ColumnType, Generated, JSONColumnType } from 'kysely';
import type { StoredStartPosition } from './start-position.ts';

/** A bigint column: read as text (exact), written as bigint, number or text. */
type BigInt64 = ColumnType<string, bigint | number | string, bigint | number | string>;
/** The same with a default. */
type GeneratedBigInt64 = ColumnType<string, bigint | number | string | undefined, bigint | number | string>;
type Timestamp = ColumnType<Date, Date | string, Date | string>;

/** The insert-only log of events. */
export interface OutboxEventsTable {
  position: ColumnType<string, never, never>;
  event_id: Generated<string>;
  aggregate_type: string;
  aggregate_id: string;
  event_type: string;
  event_version: Generated<number>;
  tenant_id: string;
  actor_id: string;
  /** JSON text: written and read as it is, never parsed by the bus. */
  payload: ColumnType<unknown, string, never>;
  headers: ColumnType<Record<string, string>, string | undefined, never>;
  occurred_at: ColumnType<Date, Date | string | undefined, never>;
  inserted_at: ColumnType<Date, never, never>;
  slot: ColumnType<number, never, never>;
  /** Of payload and headers; `null` in rows from before there was the column. */
  bytes: ColumnType<number | null, never, never>;
}

/** One row: how far the log is published, and by which epoch. */
export interface OutboxCursorTable {
  singleton: Generated<boolean>;
  source: string | null;
  position: BigInt64;
  epoch: BigInt64;
  leader: string | null;
  led_since: Timestamp | null;
}

/** Ranges of positions below the cursor that were not visible when it passed them. */
export interface OutboxGapsTable {
  first: BigInt64;
  last: BigInt64;
  xid: string;
  system_identifier: BigInt64;
  noted_at: Generated<Date>;
}

/** What was written to which stream, in which order. */
export interface OutboxBatchesTable {
  stream: string;
  number: BigInt64;
  positions: string;
  events: number;
  last_id: string;
  last_event_id: string;
  written_at: Generated<Date>;
}

/** Events that could not be written, and what waits behind them. */
export interface OutboxParkedTable {
  position: BigInt64;
  event_id: string;
  aggregate_type: string;
  aggregate_id: string;
  reason: string;
  behind: string | null;
  parked_at: Generated<Date>;
  retry_requested_at: Timestamp | null;
}

/** A view: the state of each event in the outbox. */
export interface OutboxStatusView {
  position: string;
  event_id: string;
  aggregate_type: string;
  aggregate_id: string;
  event_type: string;
  tenant_id: string;
  inserted_at: Date;
  status: 'pending' | 'published' | 'parked';
  reason: string | null;
}

/** One row per event, group and replay: the event is settled for that group. */
export interface InboxEventsTable {
  consumer_group: string;
  event_id: string;
  replay_id: Generated<string>;
  occurred_at: Timestamp;
  outcome: 'done' | 'skipped' | 'dead' | 'discarded';
  reason: string | null;
  stream: string;
  stream_id: string;
  attempt: number;
  processed_at: Generated<Date>;
}

/** The position an ordered group handled last, per aggregate. */
export interface InboxPositionsTable {
  consumer_group: string;
  source: string;
  aggregate_type: string;
  aggregate_id: string;
  position: BigInt64;
  /** The one that `position` replaced. */
  previous: BigInt64 | null;
}

/** Which runner may handle a stream of an ordered group. */
export interface InboxLeasesTable {
  consumer_group: string;
  stream: string;
  token: BigInt64;
  holder: string;
  expires_at: Timestamp;
  /** For how long it was granted or renewed. */
  ttl: string | null;
}

/** The groups whose inbox is in this database. */
export interface InboxGroupsTable {
  consumer_group: string;
  on_dead_letter: 'continue' | 'hold';
  max_deliveries: number;
  claim_idle_ms: number;
  seen_at: Generated<Date>;
}

/** One row per event that a group gave up; the migration says what its states mean. */
export interface DeadLettersTable {
  consumer_group: string;
  event_id: string;
  replay_id: Generated<string>;
  occurred_at: Timestamp;
  state: Generated<'dead' | 'redriving' | 'done' | 'discarded'>;
  kind: string;
  reason: string;
  error: string;
  stack: string;
  fingerprint: string;
  attempts: number;
  history: JSONColumnType<{ at: number; consumer: string; error: string }[]>;
  deliveries: number;
  consumer: string;
  first_delivered_at: Timestamp;
  dead_at: Generated<Date>;
  behind: string | null;
  stream: string;
  stream_id: string;
  fields: JSONColumnType<Record<string, string>>;
  source: string;
  position: BigInt64 | null;
  event_type: string;
  aggregate_type: string;
  aggregate_id: string;
  tenant_id: string;
  trace_id: string;
  redrives: Generated<number>;
  redriven_at: Timestamp | null;
  resolved_at: Timestamp | null;
  dlq_id: string | null;
  inject_id: string | null;
}

/** What operators did. */
export interface OperatorActionsTable {
  id: Generated<string>;
  at: Generated<Date>;
  operator: string;
  action: string;
  consumer_group: string | null;
  reason: string | null;
  events: Generated<number>;
  details: JSONColumnType<Record<string, unknown>, string | undefined>;
}

/** To which events they did it. */
export interface OperatorActionEventsTable {
  action_id: string;
  consumer_group: string;
  event_id: string;
  replay_id: Generated<string>;
  details: JSONColumnType<Record<string, unknown>> | null;
}

/** Every topic of the bus. */
export interface TopicsTable {
  name: string;
  partitions: number;
  registered_at: Generated<Date>;
}

/** Every group ever registered. */
export interface ConsumerGroupsTable {
  name: string;
  topics: string[];
  topics_named: ColumnType<Record<string, string>, string | undefined, string>;
  ordering: 'none' | 'aggregate';
  start_from: 'beginning' | 'now' | 'archive';
  start_positions: JSONColumnType<Record<string, StoredStartPosition>>;
  policy: JSONColumnType<Record<string, unknown>>;
  handled_events: ColumnType<Record<string, string | null>, string | undefined, string>;
  registered_at: Generated<Date>;
  seen_at: Generated<Date>;
  paused_at: Timestamp | null;
  paused_by: string | null;
  pause_reason: string | null;
}

/** The runners of groups that are alive. */
export interface GroupRunnersTable {
  consumer_group: string;
  runner: string;
  events: string[];
  circuit: Generated<'closed' | 'open' | 'half-open'>;
  circuit_since: Timestamp | null;
  circuit_error: string | null;
  started_at: Generated<Date>;
  seen_at: Generated<Date>;
  known_at: Timestamp | null;
}

/** How far each stream is archived and trimmed: entry IDs, inclusive. */
export interface StreamRetentionTable {
  stream: string;
  archived_to: string | null;
  /** Of the entry `archived_to`; empty if that names none. */
  archived_event_id: string | null;
  archived_at: Timestamp | null;
  trimmed_to: string | null;
  trimmed_at: Timestamp | null;
}

/** The last event of each source up to there. */
export interface StreamRetentionSourcesTable {
  stream: string;
  source: string;
  archived_position: BigInt64 | null;
  archived_event_id: string | null;
  trimmed_position: BigInt64 | null;
  trimmed_event_id: string | null;
}

/** Batches up to this number were settled by every group of their stream. */
export interface OutboxSettledTable {
  stream: string;
  number: BigInt64;
}

/** Live events of a source in a stream, up to this position, are settled by a group, whatever the inbox still knows. */
export interface InboxFloorsTable {
  consumer_group: string;
  stream: string;
  source: string;
  position: BigInt64;
  raised_at: Generated<Date>;
}

/** How long each outbox keeps its log. */
export interface OutboxWindowsTable {
  source: string;
  keep_ms: BigInt64;
  seen_at: Generated<Date>;
}

/** How long each group's inbox remembers, and the longest that it lets an event wait. */
export interface InboxWindowsTable {
  consumer_group: string;
  keep_ms: BigInt64;
  longest_wait_ms: BigInt64;
  seen_at: Generated<Date>;
}

/** Since when an outbox lacks everything up to a position, and all that it was given before a time. */
export interface OutboxFloorsTable {
  source: string;
  since: Generated<Date>;
  position: BigInt64;
  inserted_at: Timestamp;
}

/** History that is brought to one group. */
export interface ReplaysTable {
  id: Generated<string>;
  kind: 'replay' | 'history';
  consumer_group: string;
  topic: string | null;
  occurred_from: Timestamp | null;
  occurred_to: Timestamp | null;
  event_type: string | null;
  tenant_id: string | null;
  aggregate_id: string | null;
  rate: number | null;
  state: Generated<'queued' | 'running' | 'paused' | 'cancelled' | 'done' | 'failed'>;
  token: GeneratedBigInt64;
  error: string | null;
  requested_by: string;
  reason: string | null;
  requested_at: Generated<Date>;
  started_at: Timestamp | null;
  ended_at: Timestamp | null;
}

/** How far it is, per stream: entry IDs. */
export interface ReplayStreamsTable {
  replay_id: string;
  stream: string;
  first_id: string;
  last_id: string | null;
  ends: JSONColumnType<{ entryId: string; eventId: string }[]>;
  injected_to: string;
  handled_to: string;
  scanned: GeneratedBigInt64;
  injected: GeneratedBigInt64;
  handled: GeneratedBigInt64;
  is_done: Generated<boolean>;
}

/** All tables of the bus. An application's own schema may extend it. */
export interface BusDatabase {
  outbox_events: OutboxEventsTable;
  outbox_cursor: OutboxCursorTable;
  outbox_gaps: OutboxGapsTable;
  outbox_batches: OutboxBatchesTable;
  outbox_parked: OutboxParkedTable;
  outbox_status: OutboxStatusView;
  inbox_events: InboxEventsTable;
  inbox_positions: InboxPositionsTable;
  inbox_leases: InboxLeasesTable;
  inbox_groups: InboxGroupsTable;
  dead_letters: DeadLettersTable;
  operator_actions: OperatorActionsTable;
  operator_action_events: OperatorActionEventsTable;
  topics: TopicsTable;
  consumer_groups: ConsumerGroupsTable;
  group_runners: GroupRunnersTable;
  stream_retention: StreamRetentionTable;
  stream_retention_sources: StreamRetentionSourcesTable;
  outbox_settled: OutboxSettledTable;
  inbox_floors: InboxFloorsTable;
  outbox_windows: OutboxWindowsTable;
  inbox_windows: InboxWindowsTable;
  outbox_floors: OutboxFloorsTable;
  replays: ReplaysTable;
  replay_streams: ReplayStreamsTable;
}
