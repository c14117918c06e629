import { eventually } from '@event-bus/testkit';
import { type EventTransport, type GroupReader, UnknownOutcomeError } from '@event-bus/transport';
import { describe, expect, it } from 'vitest';
import { busKinds } from './testing/bus.ts';
import { createGate, done, failed } from './testing/scripted-dispatcher.ts';
import { useScriptedRunners } from './testing/scripted-runners.ts';

describe.each(busKinds)('a runner of an ordered group on %s', (kind) => {
  const { bus, database, setUp } = useScriptedRunners(kind);
  const ordered = { ordering: 'aggregate' } as const;

  it('handles each aggregate in order across retries, and others meanwhile', async () => {
    const { publisher, nothingPending, start } = setUp(ordered);
    const events = await publisher.publish('a', 'b', 'a', 'b', 'a', 'b');
    // The first of them longest, so that the others could overtake it.
    const failures = new Map([
      [events[0]?.eventId, 3],
      [events[2]?.eventId, 1],
    ]);
    const runner = start(({ eventId, attempt }) =>
      attempt <= (failures.get(eventId) ?? 0) ? failed(100) : done,
    );

    await nothingPending();

    const settledOf = (id: string) =>
      runner.ended
        .filter((one) => one.aggregateId === id && one.kind === 'settled')
        .map(({ eventId }) => eventId);
    const publishedOf = (id: string) =>
      events.filter((one) => one.aggregateId === id).map(({ eventId }) => eventId);
    for (const id of ['a', 'b']) expect(settledOf(id)).toEqual(publishedOf(id));
    expect(runner.settled().slice(0, 3)).toEqual(publishedOf('b'));
  });

  it('stands by while another handles the stream, and takes over in order when that one stops', async () => {
    const { publisher, nothingPending, start } = setUp(ordered);
    const gate = createGate();
    const first = start((_, signal) => gate.pass(signal), { leaseTtlMs: 60_000 });
    await eventually(() => first.runner.status().streams[0]?.state === 'live');
    const second = start();
    const events = await publisher.publish('a', 'a', 'a', 'b');
    await eventually(() => first.begun.length === 2);
    expect(second.begun).toEqual([]);

    first.drain();
    first.abort();
    await first.finished;
    await nothingPending();

    const settledOfA = second.ended
      .filter(({ aggregateId }) => aggregateId === 'a')
      .map(({ eventId }) => eventId);
    expect(settledOfA).toEqual(events.slice(0, 3).map(({ eventId }) => eventId));
    expect(Number(second.begun[0]?.lease)).toBeGreaterThan(Number(first.begun[0]?.lease));
  });

  it('takes up what a lost holder left pending before anything newer, whatever its idle time', async () => {
    const { group, publisher, stream, nothingPending, start, observer } = setUp(ordered);
    const events = await publisher.publish('a', 'a', 'b');
    await leavePending(stream, group.group, 2);

    const runner = start();
    await nothingPending();

    expect(runner.settled().filter((id) => id !== events[2]?.eventId)).toEqual(
      events.slice(0, 2).map(({ eventId }) => eventId),
    );
    expect((await observer.groups(stream))[0]?.lag ?? 0).toBe(0);
  });

  it('stops handling a stream when it is fenced, and takes it up anew', async () => {
    const { publisher, nothingPending, start } = setUp(ordered);
    let fenced = false;
    const events = await publisher.publish('a', 'a');
    const runner = start(() => {
      if (fenced) return done;
      fenced = true;
      return { kind: 'interrupted', cause: 'fenced', error: new Error('the lease has passed on') };
    });

    await nothingPending();

    expect(runner.settled()).toEqual(events.map(({ eventId }) => eventId));
    expect(Number(runner.begun.at(-1)?.lease)).toBeGreaterThan(Number(runner.begun[0]?.lease));
  });

  /** A transport on which something happens before the reply to a claim is known. */
  function claiming(beforeReply: () => Promise<void>): EventTransport {
    const transport = bus().transport();
    const reader = (): GroupReader => {
      const inner = transport.reader();
      return {
        ...inner,
        async claim(...asked) {
          const page = await inner.claim(...asked);
          await beforeReply();
          return page;
        },
      };
    };
    return { ...transport, reader };
  }

  /** Entries that another process had in hand when it died. */
  async function leavePending(stream: string, group: string, count: number): Promise<void> {
    const lost = bus().transport();
    const reader = lost.reader();
    await reader.ensureGroup({ stream, group }, '0');
    await reader.read({ group, consumer: 'lost', from: [{ stream }], count, blockMs: 10 });
    await lost.close();
  }

  it('handles nothing of what it claimed while it was losing the lease, and hands it back', async () => {
    const { group, publisher, stream, nothingPending, observer, start } = setUp(ordered);
    const events = await publisher.publish('a', 'a', 'b');
    await leavePending(stream, group.group, 3);
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    const runner = start(
      () => done,
      {},
      claiming(() => {
        asked.resolve();
        return answered.promise;
      }),
    );
    await asked.promise;
    const { pool } = database();
    const expire = `update inbox_leases set expires_at = '-infinity' where consumer_group = '${group.group}'`;
    await pool.query(
      `${expire}; select inbox_acquire_lease('${group.group}', '${stream}', 'other', '1 hour')`,
    );
    await eventually(() => runner.runner.status().streams[0]?.state === 'standby');

    answered.resolve();

    await eventually(async () => {
      const pending = await observer.pending({ stream, group: group.group }, null, 10);
      return pending.every(({ consumer, deliveries }) => consumer === '@released' && deliveries === 1);
    });
    expect(runner.begun).toEqual([]);
    await pool.query(expire);
    await nothingPending();
    expect(new Set(runner.settled())).toEqual(new Set(events.map(({ eventId }) => eventId)));
  });

  it('goes on from the beginning when its stream is deleted while it claims what is pending', async () => {
    const { group, publisher, stream, nothingPending, start } = setUp(ordered);
    const events = await publisher.publish('a', 'b');
    await leavePending(stream, group.group, 2);
    let wasDeleted = false;
    const runner = start(
      () => done,
      { readCount: 1 },
      claiming(async () => {
        if (wasDeleted) return;
        wasDeleted = true;
        await bus().deleteStream(stream);
        // All is claimed anew, from a stream that is not there.
        throw new UnknownOutcomeError('the reply was lost');
      }),
    );

    await eventually(() => runner.runner.status().streams[0]?.state === 'live');
    await publisher.publishAgainAfterStreamLoss(events);
    await nothingPending();

    expect(runner.settled().toSorted()).toEqual(events.map(({ eventId }) => eventId).toSorted());
  });

  it('claims no more once its lease is over, though it was frozen and could not notice', async () => {
    const { group, publisher, stream, nothingPending, start } = setUp(ordered);
    await publisher.publish('a', 'b');
    await leavePending(stream, group.group, 2);
    const leaseTtlMs = 500;
    let wasFrozen = false;
    const freeze = async () => {
      if (wasFrozen) return;
      wasFrozen = true;
      const until = performance.now() + leaseTtlMs;
      while (performance.now() < until);
    };
    const runner = start(() => done, { leaseTtlMs, readCount: 1 }, claiming(freeze));

    await nothingPending();

    // The first lease of a stream has the token 1.
    const second = runner.begun.find(({ aggregateId }) => aggregateId === 'b');
    expect(Number(second?.lease)).toBeGreaterThan(1);
  });

  it('lets nothing overtake what was handed out late, to a read that had been given up', async () => {
    const { group, publisher, stream, nothingPending, start } = setUp(ordered);
    const gate = createGate();
    const [first] = await publisher.publish('a');
    const runner = start(({ eventId }, signal) => (eventId === first?.eventId ? gate.pass(signal) : done), {
      capacity: 1,
    });
    await eventually(() => runner.begun.length === 1);
    const events = [first, ...(await publisher.publish('a', 'a', 'a'))];
    // There is no room here, so nothing is read; the server carries out what it was asked for long ago.
    await leavePending(stream, group.group, 2);

    gate.open();
    await nothingPending();

    expect(runner.settled()).toEqual(events.map((event) => event?.eventId));
  });

  it('handles several of one aggregate in one transaction, in order', async () => {
    const { publisher, nothingPending, start } = setUp({
      ...ordered,
      transaction: 'batch',
      concurrency: 2,
    });
    const events = await publisher.publish(...Array.from({ length: 40 }, (_, n) => `a${n % 3}`));
    const runner = start(({ attempt, eventId }) =>
      eventId === events[4]?.eventId && attempt === 1 ? failed(50) : done,
    );

    await nothingPending();

    // The script settles what follows the failed one in its batch, as no dispatcher would.
    const settled = runner.settled();
    expect(new Set(settled)).toEqual(new Set(events.map(({ eventId }) => eventId)));
    expect(settled).toHaveLength(40);
    for (const id of ['a0', 'a2']) {
      const inOrder = events.filter(({ aggregateId }) => aggregateId === id).map(({ eventId }) => eventId);
      expect(settled.filter((eventId) => inOrder.includes(eventId))).toEqual(inOrder);
    }
  });
});
