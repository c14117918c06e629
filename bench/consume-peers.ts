import { join } from 'node:path';
import type { Broker } from './harness/broker.ts';
import { measureProgram, runProgram } from './harness/measure.ts';
import { startNats } from './harness/nats.ts';
import type { Run, Stage } from './harness/question.ts';
import { startRabbit } from './harness/rabbitmq.ts';
import { packages, packagesAndBroker } from './harness/software.ts';

/** A broker or job queue that could carry the events instead. It acknowledges each when its handler has returned. */
export interface Peer {
  readonly name: string;
  readonly software: () => Promise<readonly string[]>;
  /** Of its programs in `peers/`. */
  readonly program: string;
  /** Its server, if that is not Redis. */
  readonly start?: () => Promise<Broker>;
}

/** Those that events are consumed from in the same way: one process, many events in hand, each handled alone. */
export const peers: readonly Peer[] = [
  { name: 'BullMQ', software: packages('bullmq'), program: 'bullmq' },
  {
    name: 'moleculer channels',
    software: packages('moleculer', '@moleculer/channels'),
    program: 'moleculer',
  },
  {
    name: 'NATS JetStream',
    software: packagesAndBroker(['@nats-io/jetstream'], 'nats-server', startNats),
    program: 'nats',
    start: startNats,
  },
  {
    name: 'RabbitMQ',
    software: packagesAndBroker(['amqplib'], 'RabbitMQ', startRabbit),
    program: 'rabbitmq',
    start: startRabbit,
  },
];

/** Has a peer hand out events that it was given before, to handlers that do nothing unless there is a database. */
export async function runPeer(stage: Stage, peer: Peer, events: number, database?: string): Promise<Run> {
  const broker = await peer.start?.();
  try {
    const env = {
      REDIS_URL: stage.redis.url,
      BROKER_URL: broker?.url ?? '',
      EVENTS: String(events),
      ...(database === undefined ? { HANDLER: 'none' } : { HANDLER: 'insert', DATABASE_URL: database }),
    };
    const program = (role: string) => join(import.meta.dirname, 'peers', `${role}-${peer.program}.ts`);
    await runProgram({ entry: program('fill'), env });
    return await measureProgram(stage, {
      entry: program('consume'),
      env,
      events,
      ...(broker && { broker: broker.pid }),
    });
  } finally {
    await broker?.stop();
  }
}
