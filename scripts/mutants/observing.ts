import type { Mutation } from './mutation.ts';

/** What makes figures, traces and logs say what is so, and nothing that they must not. */
export const observingMutations: readonly Mutation[] = [
  {
    name: 'gauges-tell-for-ever',
    harm: 'a group that is gone, or a Redis that is down, goes on looking as it last did',
    edits: [
      {
        file: 'packages/telemetry/src/scrape-reader.ts',
        find: '? AggregationTemporality.DELTA',
        replace: '? AggregationTemporality.CUMULATIVE',
      },
    ],
    tests: ['packages/telemetry/src/scrape-reader.test.ts'],
  },
  {
    name: 'unknown-is-zero',
    harm: 'a lag that the server does not know looks like none',
    edits: [
      {
        file: 'services/bus-monitor/src/gauges.ts',
        find: 'read: perGroup(({ lag }) => lag),',
        replace: 'read: perGroup(({ lag }) => lag ?? 0),',
      },
    ],
    tests: ['services/bus-monitor/src/monitor.int.test.ts'],
    only: 'how far behind a group is',
  },
  {
    name: 'one-server-blinds-all',
    harm: 'while Redis is down nobody sees how the outbox grows',
    edits: [
      {
        file: 'services/bus-monitor/src/survey.ts',
        find: '      return null;\n',
        replace: '      throw error;\n',
      },
    ],
    tests: ['services/bus-monitor/src/monitor.int.test.ts'],
    only: 'a server that is down',
  },
  {
    name: 'one-key-blinds-all',
    harm: 'a key of the wrong type hides how all streams and groups stand',
    edits: [
      {
        file: 'packages/operations/src/unreadable.ts',
        find: 'if (!(error instanceof CommandRejectedError)) throw error;',
        replace: 'if (error !== undefined) throw error;',
      },
    ],
    tests: ['services/bus-monitor/src/monitor.int.test.ts'],
    only: 'something else under the key',
  },
  {
    name: 'unreadable-is-missing',
    harm: 'groups on a stream that cannot be read are told to be missing',
    edits: [
      {
        file: 'packages/operations/src/groups.ts',
        find: "unreadable.has(stream) ? 'unreadable' : 'missing'",
        replace: "'missing'",
      },
    ],
    tests: ['services/bus-monitor/src/monitor.int.test.ts'],
    only: 'and not that it is missing',
  },
  {
    name: 'refused-is-reachable',
    harm: 'a Redis that refuses all looks at streams counts as one that answers',
    edits: [
      {
        file: 'services/bus-monitor/src/gauges.ts',
        find: "redis: server !== null && !(failures.get('streams') instanceof TransportError),",
        replace: 'redis: server !== null,',
      },
    ],
    tests: ['services/bus-monitor/src/monitor.int.test.ts'],
    only: 'does not pass for reachable',
  },
  {
    name: 'pending-does-not-block-the-trim',
    harm: 'a group that has not acknowledged an old entry is not named as what keeps the stream',
    edits: [
      {
        file: 'services/bus-monitor/src/survey-streams.ts',
        find: 'return Math.min(a, b);',
        replace: 'return Math.max(a, b);',
      },
    ],
    tests: ['services/bus-monitor/src/monitor.int.test.ts'],
    only: 'due to be archived',
  },
  {
    name: 'failures-are-sampled-away',
    harm: 'nothing is left of a dead letter whose trace was not recorded',
    edits: [
      {
        file: 'packages/telemetry/src/trace-context.ts',
        find: 'traceFlags: span.traceFlags | TraceFlags.SAMPLED',
        replace: 'traceFlags: span.traceFlags',
      },
    ],
    tests: ['tests/traces.test.ts'],
  },
  {
    name: 'logs-tell-rows',
    harm: 'a unique violation writes the row to the log',
    edits: [
      {
        file: 'packages/telemetry/src/serialize-error.ts',
        find: "  'detail',\n",
        replace: '',
      },
    ],
    tests: ['packages/telemetry/src/logger.test.ts'],
  },
];
