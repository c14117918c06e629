import { ConfigError, type ConfigFault } from '@event-bus/config';
import type { ConsumerDefinition } from '@event-bus/consumer';
import { registerInboxWindows } from '@event-bus/database';
import type { RunnerConfig } from './config.ts';
import type { BusConnection } from './databases.ts';

const hourMs = 3_600_000;

/**
 * Checks the windows of the consumers, as far as they can be known here, and registers them.
 * @throws ConfigError LONGEST_WAIT is shorter than what a topic or a consumer states.
 * @throws WindowsBrokenError the inbox would forget before an outbox does.
 */
export async function registerWindows(
  bus: BusConnection,
  config: Pick<RunnerConfig, 'INBOX_KEEP' | 'LONGEST_WAIT'>,
  consumers: readonly ConsumerDefinition[],
): Promise<void> {
  const { INBOX_KEEP: keepMs, LONGEST_WAIT: longestWaitMs } = config;
  const faults = consumers.flatMap((consumer) => faultsOf(consumer, longestWaitMs));
  if (faults.length > 0) throw new ConfigError(faults);
  await registerInboxWindows(
    bus,
    consumers.map(({ group }) => ({ group, keepMs, longestWaitMs })),
  );
}

function faultsOf(
  { group, topics, maxDeferralMs }: ConsumerDefinition,
  longestWaitMs: number,
): ConfigFault[] {
  const stated = [
    ...topics.map(({ name, retention }) => ({ what: `retention.hot of topic ${name}`, ms: retention.hotMs })),
    { what: `maxDeferral of group ${group}`, ms: maxDeferralMs },
  ];
  return stated
    .filter(({ ms }) => ms > longestWaitMs)
    .map(({ what, ms }) => ({
      variable: 'LONGEST_WAIT',
      problem: `is ${longestWaitMs / hourMs}h, shorter than ${what} (${ms / hourMs}h)`,
    }));
}
