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
