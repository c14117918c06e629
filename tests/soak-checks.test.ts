import { expect, test } from 'vitest';
import { checkMemory, checkRates, checkWindows } from '../bench/soak/checks.ts';
import { ratesOf } from '../bench/soak/rates.ts';
import type { Sample } from '../bench/soak/sampler.ts';
import { windowsFor } from '../bench/soak/windows.ts';

const MiB = 1_024 ** 2;
const windows = windowsFor(60);
const rate = 100;

/** A look at each of so many seconds. */
function samplesOf(seconds: number, of: (at: number) => Partial<Sample>): Sample[] {
  return Array.from({ length: seconds }, (_, at) => ({
    at,
    committed: rate * at,
    unpublished: 0,
    waiting: {},
    handled: {},
    rows: 0,
    outboxBytes: 0,
    partitions: 0,
    pastInboxDays: 0,
    entries: 0,
    deadLetters: 0,
    memory: {},
    postgresProcesses: 50,
    ...of(at),
  }));
}

const memoryOver = (bytesAt: (at: number) => number, minutes = 10) =>
  checkMemory(
    samplesOf(500, (at) => ({ memory: { runner: bytesAt(at) } })),
    minutes,
  );

test('memory that grows only while the process warms up is flat', () => {
  expect(memoryOver((at) => Math.min(at, 90) * MiB)).toMatchObject([{ name: 'memory of runner', met: true }]);
});

test('memory that is collected now and then is flat', () => {
  expect(memoryOver((at) => (60 + (at % 150)) * MiB)).toMatchObject([{ met: true }]);
});

test('memory that goes on growing is not flat, however often it is collected', () => {
  expect(memoryOver((at) => (60 + (at % 100) + at / 5) * MiB)).toMatchObject([
    { met: false, found: 'at most 219 MiB, then 259 MiB' },
  ]);
});

test('PostgreSQL may be given more connections, and the processes that serve them may not grow', () => {
  const judged = (each: (at: number) => number) => {
    const samples = samplesOf(500, (at) => {
      const postgresProcesses = 50 + Math.floor(at / 10);
      return { postgresProcesses, memory: { PostgreSQL: postgresProcesses * each(at) * MiB } };
    });
    return checkMemory(samples, 10).map(({ met }) => met);
  };

  expect(judged(() => 4)).toEqual([true]);
  expect(judged((at) => 4 + at / 400)).toEqual([false]);
});

test('memory is not judged in a run that is too short to tell', () => {
  expect(memoryOver((at) => at * MiB, 1)).toMatchObject([{ met: undefined }]);
});

test('streams and outbox may hold what was committed within their windows', () => {
  const found = checkWindows(
    samplesOf(120, (at) => ({
      entries: rate * Math.min(at, windows.streams),
      rows: rate * Math.min(at, windows.outbox),
    })),
    windows,
  );

  expect(found).toMatchObject([{ met: true }, { met: true }]);
});

test('a stream that keeps what is older, and an outbox that forgets nothing, are found', () => {
  const found = checkWindows(
    samplesOf(120, (at) => ({ entries: rate * Math.min(at, windows.streams + 3), rows: rate * at })),
    windows,
  );

  expect(found).toMatchObject([
    { name: 'entries in the streams', met: false },
    { name: 'rows in the outbox', met: false },
  ]);
});

/** A phase in which a fourth of the events come to one group, and all to another. */
const phase = (handledPerSecond: number) =>
  ratesOf(
    samplesOf(100, (at) => ({
      handled: { fast: rate * at, slow: handledPerSecond * at },
      waiting: { fast: 0, slow: (rate / 4 - handledPerSecond) * at },
    })),
  );

test('a group is overloaded by what comes to it, however much there is for others', () => {
  expect(phase(10)).toMatchObject({ produced: rate, slowest: { group: 'slow', came: 25, handled: 10 } });
  const [, overloaded] = checkRates(phase(25), rate, phase(10));
  expect(overloaded).toMatchObject({
    met: true,
    found: '100 events/s imported; 25 came to slow, which handled 10',
  });
  expect(checkRates(phase(25), rate, phase(20))[1]).toMatchObject({ met: false });
  expect(checkRates(phase(25), rate, ratesOf([]))[1]).toMatchObject({ met: false });
});

test('a rate is held if next to all of it was produced', () => {
  expect(checkRates(phase(25), rate, phase(10))[0]).toMatchObject({ met: true });
  expect(checkRates(phase(25), 1.1 * rate, phase(10))[0]).toMatchObject({ met: false });
});
