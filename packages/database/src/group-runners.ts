import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { BusDatabase } from './schema.ts';

/** What a runner tells of itself. */
export interface RunnerBeat {
  readonly group: string;
  /** Its name, unique per process and group. */
  readonly runner: string;
  /** The topics it reads. */
  readonly topics: readonly string[];
  /** The event types it has handlers for. */
  readonly events: readonly string[];
  readonly circuit: 'closed' | 'open' | 'half-open';
  /** Milliseconds since the epoch. */
  readonly circuitSince: number;
  readonly circuitError: string | null;
  /** `at` of the last news that it goes by; `null` before the first. */
  readonly knownAt: string | null;
}

/** What a runner is told. */
export interface GroupNews {
  /** When it was told, by the clock of the database, as text. Whatever was committed before is in it. */
  readonly at: string;
  /** Present while an operator has paused the group. */
  readonly pause: { readonly by: string | null; readonly reason: string | null } | null;
  /** What the other runners of the group that are alive have handlers for. */
  readonly eventsElsewhere: readonly string[];
  /** All of them that lack one of this runner's handlers go by news from `since` or later. */
  readonly othersKnow: boolean;
}

/** A runner that has not been heard of for so long is taken for dead. */
export const runnerSilenceMs = 30_000;

/**
 * Says that a runner is alive, and what it is told. Forgets those of its group that are dead. News from `at` of a
 * runner's second beat on tell of it, since its first one was committed by then. If the group is registered, it has the
 * runner's topics from then on, and no longer those that no runner has named for {@link runnerSilenceMs}.
 */
export async function beat(
  db: Kysely<BusDatabase>,
  runner: RunnerBeat,
  since: string | null = null,
): Promise<GroupNews> {
  const events = sql`${[...runner.events]}::text[]`;
  const named = namedTopics(runner.topics);
  const { rows } = await sql<{
    at: string;
    paused: boolean;
    paused_by: string | null;
    pause_reason: string | null;
    elsewhere: string[] | null;
    others_know: boolean;
  }>`
    with own as (
      insert into group_runners (
        consumer_group, runner, events, circuit, circuit_since, circuit_error, known_at)
      values (${runner.group}, ${runner.runner}, ${events}, ${runner.circuit},
        to_timestamp(${runner.circuitSince}::float8 / 1000),
        ${runner.circuitError?.replaceAll('\0', '\uFFFD') ?? null}, ${runner.knownAt}::timestamptz)
      on conflict (consumer_group, runner) do update set events = excluded.events, circuit = excluded.circuit,
        circuit_since = excluded.circuit_since, circuit_error = excluded.circuit_error,
        known_at = excluded.known_at, seen_at = clock_timestamp()
    ), dead as (
      delete from group_runners
      where consumer_group = ${runner.group} and runner <> ${runner.runner}
        and seen_at < clock_timestamp() - make_interval(secs => ${runnerSilenceMs}::float8 / 1000)
    ), naming as (
      -- Who holds the row keeps nobody silent: the next beat does it.
      update consumer_groups set topics = ${named.topics}, topics_named = ${named.topics_named}
      where name = (select name from consumer_groups where name = ${runner.group} for no key update skip locked)
        and ${isNamingDue(runner.topics)}
    ), others as (
      select events, known_at from group_runners
      where consumer_group = ${runner.group} and runner <> ${runner.runner}
        and seen_at >= clock_timestamp() - make_interval(secs => ${runnerSilenceMs}::float8 / 1000)
    )
    -- The time is taken before the statement looks at anything, so it sees what was committed by then.
    select now()::text as at, g.paused_at is not null as paused, g.paused_by, g.pause_reason,
      (select array_agg(distinct event) from others, unnest(events) event) as elsewhere,
      (select coalesce(bool_and(coalesce(known_at >= ${since}::timestamptz, false)), true)
        from others where not events @> ${events}) as others_know
    from (select 1) one left join consumer_groups g on g.name = ${runner.group}`.execute(db);
  const [row] = rows;
  return {
    at: row?.at ?? '',
    pause: row?.paused === true ? { by: row.paused_by, reason: row.pause_reason } : null,
    eventsElsewhere: row?.elsewhere ?? [],
    othersKnow: row?.others_know === true,
  };
}

const timeAgo = (ms: number) => sql`now() - make_interval(secs => ${ms}::float8 / 1000)`;

/**
 * The topics of a group, and when each was named last, once a runner names its own: these, and what others have named
 * lately. For a statement that writes to a row of `consumer_groups`. It goes by when that statement began, so nothing counts
 * as silent because the statement had to wait.
 */
export function namedTopics(own: readonly string[]): {
  readonly topics: RawBuilder<string[]>;
  readonly topics_named: RawBuilder<string>;
} {
  const named = sql`(
    select topic, to_jsonb(clock_timestamp()) as at from unnest(${[...own]}::text[]) topic
    union all
    select key, value from jsonb_each(consumer_groups.topics_named)
    where key <> all(${[...own]}::text[]) and (value #>> '{}')::timestamptz >= ${timeAgo(runnerSilenceMs)}
  ) named`;
  return {
    topics: sql`array(select topic from ${named} order by topic)`,
    topics_named: sql`coalesce((select jsonb_object_agg(topic, at) from ${named}), '{}')`,
  };
}

/** Whether a beat has to write that: if each did, all runners of a group would write to its row all the time. */
function isNamingDue(own: readonly string[]): RawBuilder<boolean> {
  return sql`(not topics @> ${[...own]}::text[] or exists (
    select from unnest(topics) topic
    where coalesce((topics_named->>topic)::timestamptz, '-infinity') < case
      when topic = any(${[...own]}::text[]) then ${timeAgo(runnerSilenceMs / 6)}
      else ${timeAgo(runnerSilenceMs)} end
  ))`;
}

/** Forgets a runner that stops. */
export async function leaveGroup(db: Kysely<BusDatabase>, group: string, runner: string): Promise<void> {
  await db
    .deleteFrom('group_runners')
    .where('consumer_group', '=', group)
    .where('runner', '=', runner)
    .execute();
}

/** A runner that is alive, and how its circuit stands. */
export interface LiveRunner {
  readonly group: string;
  readonly runner: string;
  readonly circuit: RunnerBeat['circuit'];
  /** Since when it is closed, or is not. */
  readonly circuitSince: Date | null;
  /** What opened it; `null` while it is closed. */
  readonly circuitError: string | null;
}

/** All runners that were heard of lately. */
export async function loadLiveRunners(db: Kysely<BusDatabase>): Promise<LiveRunner[]> {
  const { rows } = await sql<LiveRunner>`
    select consumer_group as "group", runner, circuit, circuit_since as "circuitSince",
      circuit_error as "circuitError"
    from group_runners
    where seen_at >= clock_timestamp() - make_interval(secs => ${runnerSilenceMs}::float8 / 1000)
    order by consumer_group, runner`.execute(db);
  return rows;
}

/** How the runners of a group are. */
export interface GroupHealth {
  readonly group: string;
  /** Those that were heard of lately. */
  readonly runners: number;
  /** Of these, those whose circuit is not closed. */
  readonly circuitsOpen: number;
  readonly isPaused: boolean;
}

/** All registered groups, with how their runners are. */
export async function loadGroupHealth(db: Kysely<BusDatabase>): Promise<GroupHealth[]> {
  const { rows } = await sql<GroupHealth>`
    select g.name as "group", count(r.runner)::int as runners,
      (count(*) filter (where r.circuit <> 'closed'))::int as "circuitsOpen", g.paused_at is not null as "isPaused"
    from consumer_groups g left join group_runners r on r.consumer_group = g.name
      and r.seen_at >= clock_timestamp() - make_interval(secs => ${runnerSilenceMs}::float8 / 1000)
    group by g.name order by g.name`.execute(db);
  return rows;
}
