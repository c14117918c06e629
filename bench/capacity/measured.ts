import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Results } from '../harness/results.ts';
import type { VariantResult } from '../harness/rounds.ts';

/** CPU time of one event in microseconds. */
export interface CpuPerEvent {
  readonly program: number;
  readonly postgres: number;
  readonly redis: number;
}

const file = join(import.meta.dirname, '..', 'results', 'latest.json');

/** Where and when the figures were taken. */
export interface Measured {
  readonly publish: CpuPerEvent;
  /** A producer's transaction of one event. */
  readonly append: CpuPerEvent;
  /** A transaction per event, of an inbox row and one insert. */
  readonly handleByEvent: CpuPerEvent;
  readonly handleByBatch: CpuPerEvent;
  /** The same of ordered groups. */
  readonly handleInOrder: CpuPerEvent;
  readonly handleInOrderByBatch: CpuPerEvent;
  readonly machine: string;
  /** The days of the runs, `2026-11-24`. */
  readonly days: readonly string[];
}

/**
 * What the last runs of the benchmarks measured.
 * @throws Error they do not say what an event costs.
 */
export function readMeasured(): Measured {
  const { machine, answers } = JSON.parse(readFileSync(file, 'utf8')) as Results;
  const days = new Set<string>();
  const cpu = (question: string, variant: string): CpuPerEvent => {
    const answer = answers.find((one) => one.question === question);
    const found = cpuOf(answer?.variants.find(({ name }) => name === variant));
    if (answer === undefined || found === undefined)
      throw new Error(`${file} does not say what CPU time "${variant}" takes: npm run bench -- ${question}`);
    days.add(answer.at.slice(0, 10));
    return found;
  };
  return {
    publish: cpu('publish', 'outbox-publisher'),
    append: cpu('append', 'outbox_events, publisher awake'),
    handleByEvent: cpu('consume', 'consumer-runner, defaults'),
    handleByBatch: cpu('consume', "consumer-runner, transaction: 'batch'"),
    handleInOrder: cpu('consume', "consumer-runner, ordering: 'aggregate'"),
    handleInOrderByBatch: cpu('consume', "consumer-runner, ordering: 'aggregate', transaction: 'batch'"),
    machine: `${machine.cores} x ${machine.cpu}`,
    days: [...days].toSorted(),
  };
}

function cpuOf(variant: VariantResult | undefined): CpuPerEvent | undefined {
  const [program, postgres, redis] = ['program', 'postgres', 'redis'].map(
    (process) => variant?.figures.find(({ name }) => name === `CPU ${process}`)?.median,
  );
  if (program === undefined || postgres === undefined || redis === undefined) return undefined;
  return { program, postgres, redis };
}
