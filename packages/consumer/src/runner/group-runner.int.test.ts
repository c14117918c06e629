import { eventually } from '@event-bus/testkit';
import { describe, expect, it } from 'vitest';
import { busKinds } from './testing/bus.ts';
import { createGate, done, failed, type Script } from './testing/scripted-dispatcher.ts';
import { useScriptedRunners } from './testing/scripted-runners.ts';

describe.each(busKinds)('a group runner on %s', (kind) => {
  const { bus, setUp } = useScriptedRunners(kind);

  it('retries a failed event after its backoff, while others are handled', async () => {
    const { publisher, nothingPending, start } = setUp();
    const [poison, ...others] = await publisher.publish('a', 'b', 'c', 'd', 'e', 'f');
    const tries: { attempt: number; at: number }[] = [];
    const runner = start(({ eventId, attempt }) => {
      if (eventId !== poison?.eventId) return done;
      tries.push({ attempt, at: performance.now() });
      return attempt < 3 ? failed(200) : done;
    });

    await nothingPending();

    expect(tries.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    for (const [before, after] of [tries.slice(0, 2), tries.slice(1)]) {
      expect((after?.at ?? 0) - (before?.at ?? 0)).toBeGreaterThanOrEqual(200);
    }
    expect(runner.settled().slice(0, 5).sort()).toEqual(others.map(({ eventId }) => eventId).sort());
    expect(runner.settled().at(-1)).toBe(poison?.eventId);
  });

  it('begins the next event while COMMIT of the one before is on its way, so that both share a round trip', async () => {
    const { publisher, nothingPending, start } = setUp({ concurrency: 1 });
    await publisher.publish('a', 'b', 'c');
    const begunMeanwhile: number[] = [];
    const runner = start((_attempt, _signal, committing) => {
      const before = runner.begun.length;
      committing();
      begunMeanwhile.push(runner.begun.length - before);
      return done;
    });

    await nothingPending();

    expect(begunMeanwhile).toContain(1);
  });

  it('keeps to the backoff and counts on where another runner stopped', async () => {
    const { publisher, nothingPending, look, start } = setUp();
    await publisher.publish('a');
    let failedAt = 0;
    const first = start(() => {
      failedAt = Date.now();
      return failed(700);
    });
    await eventually(() => first.ended.length === 1);
    first.drain();
    await first.finished;
    expect((await look()).pending).toBe(1);

    const second = start();
    await nothingPending();

    expect(second.begun.map(({ attempt }) => attempt)).toEqual([2]);
    expect(Date.now() - failedAt).toBeGreaterThanOrEqual(600);
  });

  it('leaves what was given up pending, under nobody, and never tries it again', async () => {
    const { publisher, look, start } = setUp();
    const [poison] = await publisher.publish('a', 'b');
    const giveUp: Script = ({ eventId }) =>
      eventId === poison?.eventId
        ? { kind: 'given-up', why: 'attempts', reason: 'malformed', error: new Error('no such type') }
        : done;
    const first = start(giveUp);
    await eventually(async () => (await look()).failed === 1 && (await look()).pending === 1);
    first.drain();
    await first.finished;

    expect((await look()).consumers.map(({ name }) => name)).not.toContain(first.runner.status().consumer);

    const second = start(giveUp);
    await publisher.publish('c', 'd');
    await eventually(async () => second.settled().length === 2 && (await look()).pending === 1);

    expect(second.begun.map(({ eventId }) => eventId)).not.toContain(poison?.eventId);
  });

  it('finishes what runs when drained, and hands back the rest without burning a delivery or an attempt', async () => {
    const { publisher, look, nothingPending, start } = setUp({ concurrency: 2 });
    await publisher.publish(...Array.from({ length: 20 }, (_, n) => `a${n}`));
    const gate = createGate();
    const first = start((_, signal) => gate.pass(signal));
    await eventually(() => first.runner.status().running === 2 && first.runner.status().waiting > 5);

    first.drain();
    gate.open();
    await first.finished;

    expect(first.settled()).toHaveLength(2);
    const { consumers, pending } = await look();
    expect(consumers.map(({ name }) => name)).not.toContain(first.runner.status().consumer);
    expect(pending).toBeGreaterThan(5);
    const second = start();
    await nothingPending();
    expect(second.begun.every(({ attempt, deliveries }) => attempt === 1 && deliveries === 1)).toBe(true);
    expect(new Set([...first.settled(), ...second.settled()]).size).toBe(20);
    expect(second.settled()).toHaveLength(18);
  });

  it('aborts what runs when told to, hands that back too, and leaves no name behind', async () => {
    const { publisher, look, nothingPending, start } = setUp();
    await publisher.publish('a', 'b', 'c');
    const first = start((_, signal) => createGate().pass(signal));
    await eventually(() => first.begun.length === 3);

    first.drain();
    first.abort();
    await first.finished;

    expect(
      (await look()).consumers.every(
        ({ pending, name }) => pending === 3 && name !== first.runner.status().consumer,
      ),
    ).toBe(true);
    const second = start();
    await nothingPending();
    expect(second.begun.map(({ attempt, deliveries }) => ({ attempt, deliveries }))).toEqual(
      Array.from({ length: 3 }, () => ({ attempt: 1, deliveries: 1 })),
    );
  });

  it('keeps claimed what runs and what waits, however long it takes', async () => {
    const { publisher, nothingPending, pendingOf, start } = setUp({ concurrency: 1 });
    await publisher.publish('a', 'b', 'c', 'd');
    const gate = createGate();
    // Renewed after a third of it: the rest is what the machine may take over it before the rival takes over.
    const impatient = { claimIdleMs: 15_000 };
    const holder = start((_, signal) => gate.pass(signal), { ...impatient, capacity: 4 });
    await eventually(() => holder.runner.status().waiting === 3);
    const heldSince = performance.now();
    const rival = start(undefined, impatient);
    const [marker] = await publisher.publish('e');
    await eventually(() => rival.settled().includes(marker?.eventId ?? ''));
    await eventually(async () => {
      // What is said of an entry's idle time may be a second too little.
      const heldForMs = performance.now() - heldSince - 1_000;
      const held = await pendingOf(holder.runner.status().consumer);
      return held.length === 4 && held.every(({ idleMs }) => idleMs < heldForMs);
    });

    gate.open();
    await nothingPending();

    expect(rival.settled()).toEqual([marker?.eventId]);
    expect(holder.begun).toHaveLength(4);
  });

  it('holds no more than its capacity, and reads no more than it can start soon', async () => {
    const { publisher, start, look } = setUp({ concurrency: 2 });
    await publisher.publish(...Array.from({ length: 60 }, (_, n) => `a${n}`));
    const gate = createGate();
    const runner = start((_, signal) => gate.pass(signal), { capacity: 12, readAhead: 50 });
    await eventually(() => runner.runner.status().running === 2 && runner.runner.status().waiting === 10);

    expect((await look()).pending).toBe(12);

    gate.open();
    await eventually(() => runner.settled().length === 60);
    expect(runner.mostRunning()).toBe(2);
  });

  it('skips what stood in the streams when its group began now, also in a stream that is built anew', async () => {
    const { publisher, stream, nothingPending, start } = setUp({ startFrom: 'now' });
    const old = await publisher.publish('a', 'b');
    const runner = start();
    await nothingPending();
    const fresh = await publisher.publish('a', 'b');
    await eventually(() => runner.settled().length === 2);

    await bus().deleteStream(stream);
    await publisher.publishAgainAfterStreamLoss([...old, ...fresh]);
    await eventually(() => runner.settled().length === 4);

    expect(runner.settled()).toEqual([...fresh, ...fresh].map(({ eventId }) => eventId));
  });

  it('handles what stood in no stream when its group began now, whatever its position, and nothing else after a rebuild', async () => {
    const { publisher, stream, nothingPending, start } = setUp({ startFrom: 'now' });
    const old = await publisher.publish('a', 'b');
    const late = publisher.draw('c', 'd');
    old.push(...(await publisher.publish('e')));
    const [later] = publisher.draw('f');
    old.push(...(await publisher.publish('a')));
    const first = start();
    await nothingPending();
    await publisher.write(late);
    await eventually(() => first.settled().length === 2);
    await first.stop();

    await bus().deleteStream(stream);
    if (later === undefined) throw new Error('nothing was drawn');
    await publisher.publishAgainAfterStreamLoss([...old, ...late]);
    await publisher.write([later]);
    const second = start();
    await nothingPending();

    expect(new Set(first.settled())).toEqual(new Set(late.map(({ eventId }) => eventId)));
    expect(new Set(second.settled())).toEqual(new Set([...late, later].map(({ eventId }) => eventId)));
  });

  it.each(['its group is deleted', 'its stream is deleted', 'all is flushed'])(
    'goes on from the beginning when %s',
    async (fault) => {
      const { group, publisher, stream, start } = setUp();
      const before = await publisher.publish('a', 'b');
      const runner = start();
      await eventually(() => runner.settled().length === 2);

      if (fault.includes('group')) await bus().deleteGroup({ stream, group: group.group });
      else if (fault.includes('stream')) await bus().deleteStream(stream);
      else await bus().flushAll();
      if (fault.includes('stream')) await publisher.publishAgainAfterStreamLoss(before);
      else if (fault.includes('flushed')) await publisher.publishAgain(before);
      const after = await publisher.publish('c');

      await eventually(() => runner.settled().includes(after[0]?.eventId ?? ''));
      expect(new Set(runner.settled())).toEqual(new Set([...before, ...after].map(({ eventId }) => eventId)));
    },
  );

  it('starts nothing while the database is away, counts nothing, and goes on in order when it is back', async () => {
    const { publisher, nothingPending, start } = setUp({ ordering: 'aggregate' });
    let away = true;
    let tries = 0;
    const events = await publisher.publish('a', 'a', 'a');
    const runner = start(() => {
      if (!away) return done;
      tries += 1;
      return { kind: 'interrupted', cause: 'database', error: new Error('the database is away') };
    });
    await eventually(() => tries >= 3);
    away = false;
    await nothingPending();

    expect(runner.settled()).toEqual(events.map(({ eventId }) => eventId));
    expect(runner.begun.every(({ attempt }) => attempt === 1)).toBe(true);
  });
});
