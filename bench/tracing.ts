import { startOtlpReceiver } from '@event-bus/testkit';
import { assertHandled } from './consume-handled.ts';
import { runRunner } from './consume-runner.ts';
import type { ConsumerSettings } from './consumer-env.ts';
import { createTemplate } from './fill/database.ts';
import { createEffects } from './fill/effects.ts';
import { sampledEvery } from './fill/events.ts';
import { fillOutbox } from './fill/outbox.ts';
import { assertCount } from './harness/measure.ts';
import type { Question, Run, Stage, Variant } from './harness/question.ts';
import { runPublisher } from './publish-publisher.ts';

const counts = { publish: 200_000, event: 40_000, batch: 100_000 };
const templates = { outbox: 'bench_tracing_outbox', inbox: 'bench_tracing_inbox' };
const goal = 0.95;

/** What a publisher pays for tracing of which one trace in a hundred is recorded. */
export const tracePublish: Question = {
  name: 'trace-publish',
  title: 'Tracing: drain a pre-filled outbox, one trace in a hundred recorded',
  prepare: ({ postgres, count }) =>
    createTemplate(postgres, templates.outbox, [fillOutbox(count(counts.publish), { traced: true })]),
  variants: bothWays('outbox-publisher', counts.publish, (stage, otlpEndpoint) =>
    runPublisher(stage, templates.outbox, counts.publish, envOf(otlpEndpoint)),
  ),
  goals: [{ variant: 'outbox-publisher, traced', over: 'outbox-publisher', atLeast: goal }],
};

/** What a runner pays for it. */
export const traceConsume: Question = {
  name: 'trace-consume',
  title: 'Tracing: handle a pre-filled stream, one trace in a hundred recorded',
  prepare: ({ postgres }) => createTemplate(postgres, templates.inbox, [createEffects]),
  variants: [
    ...consumers('event', 'consumer-runner, defaults'),
    ...consumers('batch', "consumer-runner, transaction: 'batch'"),
  ],
  goals: [
    { variant: 'consumer-runner, defaults, traced', over: 'consumer-runner, defaults', atLeast: goal },
    {
      variant: "consumer-runner, transaction: 'batch', traced",
      over: "consumer-runner, transaction: 'batch'",
      atLeast: goal,
    },
  ],
};

function consumers(transaction: ConsumerSettings['transaction'], name: string): [Variant, Variant] {
  return bothWays(name, counts[transaction], async (stage, otlpEndpoint) => {
    const events = stage.count(counts[transaction]);
    const url = await stage.database(templates.inbox);
    const run = await runRunner(stage, url, { transaction }, events, {
      traced: true,
      env: envOf(otlpEndpoint),
    });
    await assertHandled(url, events);
    return run;
  });
}

/** The same events, with tracing off and on. Whoever receives the spans works on the same cores. */
function bothWays(
  name: string,
  events: number,
  run: (stage: Stage, otlpEndpoint?: string) => Promise<Run>,
): [Variant, Variant] {
  const runTraced = async (stage: Stage) => {
    const receiver = await startOtlpReceiver();
    try {
      const result = await run(stage, receiver.url);
      assertCount('spans', receiver.spans().length, Math.floor(stage.count(events) / sampledEvery));
      return result;
    } finally {
      await receiver.close();
    }
  };
  return [
    { name, run: (stage) => run(stage) },
    { name: `${name}, traced`, run: runTraced },
  ];
}

function envOf(otlpEndpoint: string | undefined): Readonly<Record<string, string>> {
  return otlpEndpoint === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint };
}
