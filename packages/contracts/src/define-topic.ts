import { ContractDefinitionError } from './errors.ts';
import { assertName } from './names.ts';

/** A length of time as people write it: `90s`, `30m`, `12h`, `7d`. */
export type DurationText = `${number}${'s' | 'm' | 'h' | 'd'}`;

/** A kind of aggregate whose events travel together. Its name is the `aggregate_type` of every event in it. */
export interface Topic<Name extends string = string> {
  readonly name: Name;
  readonly partitions: number;
  readonly retention: TopicRetention;
}

/** How long events stay in the stream (hot) and in the archive (cold, counted from the event as well). */
export interface TopicRetention {
  readonly hotMs: number;
  /** The memory that the stream may take up; what is older goes sooner then. `null` for no such limit. */
  readonly hotBytes: number | null;
  readonly coldMs: number;
  /** Marks history that must be kept for auditors; raises the default of `cold` to a year. */
  readonly compliance: boolean;
}

/** What a topic may state; each has a default. */
export interface TopicOptions {
  /** Into how many streams the topic is cut. Changing it later moves aggregates between streams. Default 1. */
  readonly partitions?: number;
  readonly retention?: {
    /** Default `7d`. */
    readonly hot?: DurationText;
    /** The memory, in bytes, that each stream of the topic may take up: what is older goes before `hot` then. */
    readonly hotBytes?: number;
    /** Default `90d`, or `365d` if `compliance` is set. */
    readonly cold?: DurationText;
    readonly compliance?: boolean;
  };
}

// Aggregates fall into 256 slots, and a slot is never cut.
const maxPartitions = 256;
const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * Declares a topic. The result is frozen.
 * @throws ContractDefinitionError for a name, a partition count or a duration that cannot be used.
 */
export function defineTopic<const Name extends string>(name: Name, options: TopicOptions = {}): Topic<Name> {
  assertName('topic name', name);
  const {
    partitions = 1,
    retention: { hot = '7d', hotBytes = null, compliance = false, cold = compliance ? '365d' : '90d' } = {},
  } = options;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > maxPartitions) {
    throw new ContractDefinitionError(
      `topic ${name}: partitions must be a whole number from 1 to ${maxPartitions}, not ${partitions}`,
    );
  }
  const hotMs = parseDuration(name, 'hot', hot);
  const coldMs = parseDuration(name, 'cold', cold);
  if (coldMs < hotMs) {
    throw new ContractDefinitionError(
      `topic ${name}: retention.cold (${cold}) is shorter than retention.hot (${hot}); the archive must outlast the stream`,
    );
  }
  if (hotBytes !== null && !(Number.isSafeInteger(hotBytes) && hotBytes > 0)) {
    throw new ContractDefinitionError(
      `topic ${name}: retention.hotBytes must be a whole number of bytes, not ${hotBytes}`,
    );
  }
  return Object.freeze({
    name,
    partitions,
    retention: Object.freeze({ hotMs, hotBytes, coldMs, compliance }),
  });
}

function parseDuration(topic: string, field: string, text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(amount) * unitMs[unit as keyof typeof unitMs];
  if (!(ms > 0)) {
    throw new ContractDefinitionError(
      `topic ${topic}: retention.${field} must be a duration such as "12h" or "7d", not "${text}"`,
    );
  }
  return ms;
}
