import { peers, runPeer } from './consume-peers.ts';
import { runRunner } from './consume-runner.ts';
import { createTemplate, queryNumber } from './fill/database.ts';
import { assertCount } from './harness/measure.ts';
import type { Question, Run, Stage } from './harness/question.ts';

// The same for all: what it costs to warm up weighs the same, too.
const events = 60_000;
const template = 'bench_deliver';
const ours = "consumer-runner, transaction: 'batch'";

/** How fast events get to handlers that do nothing. */
export const deliver: Question = {
  name: 'deliver',
  title: 'Deliver: hand out a pre-filled stream to handlers that do nothing, one process',
  prepare: ({ postgres }) => createTemplate(postgres, template, []),
  variants: [
    { name: ours, run: runOurs },
    ...peers.map((peer) => ({
      ...peer,
      run: (stage: Stage) => runPeer(stage, peer, stage.count(events)),
    })),
  ],
  goals: [
    { variant: ours, over: 'NATS JetStream', atLeast: 1.15 },
    { variant: ours, over: 'RabbitMQ', atLeast: 3 },
    { variant: ours, over: 'BullMQ', atLeast: 4 },
    { variant: ours, over: 'moleculer channels', atLeast: 10 },
  ],
};

/** It remembers each event in its inbox nevertheless: the peers remember nothing. */
async function runOurs(stage: Stage): Promise<Run> {
  const count = stage.count(events);
  const url = await stage.database(template);
  const run = await runRunner(stage, url, { transaction: 'batch', handler: 'none' }, count);
  const inbox = "select count(*) from inbox_events where outcome = 'done'";
  assertCount('inbox rows', await queryNumber(url, inbox), count);
  return run;
}
