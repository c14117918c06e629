import { ConfigError } from '@event-bus/config';
import type { Topic, TopicRetention } from '@event-bus/contracts';

/** What operators set otherwise than the contracts, by topic; `*` stands for every topic that is not named. */
export type RetentionOverrides = ReadonlyMap<string, Partial<TopicRetention>>;

/** How long the events of a topic are kept where. */
export type PolicyOf = (topic: string) => TopicRetention;

/** Topics that are registered, but that no contract defines. */
const DEFAULT: TopicRetention = {
  hotMs: 7 * 86_400_000,
  hotBytes: null,
  coldMs: 90 * 86_400_000,
  compliance: false,
};

/**
 * The policy of each topic: what its contract states, and over it what operators set.
 * @throws ConfigError a topic would be kept longer in its stream than in the archive.
 */
export function createPolicies(
  topics: readonly Topic[],
  overrides: RetentionOverrides = new Map(),
): PolicyOf {
  const defined = new Map(topics.map(({ name, retention }) => [name, retention]));
  const policyOf: PolicyOf = (topic) => ({
    ...(defined.get(topic) ?? DEFAULT),
    ...(overrides.get(topic) ?? overrides.get('*')),
  });
  for (const topic of new Set([...defined.keys(), ...overrides.keys()])) {
    const { hotMs, coldMs } = policyOf(topic);
    if (coldMs < hotMs) {
      const problem = `topic ${topic}: its events would leave the archive before they leave the stream`;
      throw new ConfigError([{ variable: 'RETENTION', problem }]);
    }
  }
  return policyOf;
}

/** The topics that operators name and no contract defines: misspelt, as a rule. */
export function undefinedTopics(
  topics: readonly Topic[],
  overrides: RetentionOverrides = new Map(),
): string[] {
  const defined = new Set(topics.map(({ name }) => name));
  return [...overrides.keys()].filter((name) => name !== '*' && !defined.has(name));
}
