import { randomBytes, randomUUID } from 'node:crypto';
import { eventually } from '@event-bus/testkit';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { deadLetter } from '../outcome.ts';
import { exponential } from '../retry-policy.ts';
import type { TestEvent } from './testing/bus.ts';
import { createGroupBench, type GroupBench } from './testing/group-bench.ts';

let bench: GroupBench;
beforeEach(async () => {
  bench = await createGroupBench(inject('postgresUrl'));
});
afterEach(() => bench.close());

const hold = { ordering: 'aggregate', onDeadLetter: 'hold', circuitBreaker: false } as const;
const twice = { maxAttempts: 2, backoff: exponential('20ms') };
const idsOf = (events: readonly TestEvent[]) => events.map(({ eventId }) => eventId);
const ofAggregate = (events: readonly TestEvent[], id: string) =>
  events.filter(({ aggregateId }) => aggregateId === id);

async function aWhile(): Promise<void> {
  const since = Date.now();
  await eventually(() => Date.now() - since > 700);
}

/** A group that holds, in which certain events fail until they are cured. */
function createPoisoned(options: Parameters<GroupBench['consumer']>[0] = {}) {
  const poison = new Set<string>();
  const consumer = bench.consumer({ ...hold, retry: twice, ...options }, ({ eventId }) => {
    if (poison.has(eventId)) throw new Error('malformed');
  });
  const { group } = consumer;
  return {
    consumer,
    group,
    poison,
    /** The records of what is given up and waits for the mover, by event ID. */
    givenUp: async () => {
      const entries = await bench.pendingOf(group);
      return new Map(
        entries.flatMap(({ fields, failure }) =>
          failure?.final === true ? [[fields?.event_id ?? '', failure] as const] : [],
        ),
      );
    },
    handled: async () => (await bench.effects(group)).map(({ event_id }) => event_id),
    /** Moves until nothing is left to move, and nothing that was published is still to come. */
    sweepAll: () =>
      eventually(async () => {
        await bench.mover.sweep(group);
        const [groups, { lastId }] = await Promise.all([
          bench.observer.groups(bench.stream),
          bench.observer.stream(bench.stream),
        ]);
        const own = groups.find((one) => one.group === group);
        return own?.pending === 0 && own.lastDeliveredId === lastId;
      }),
  };
}

describe.each(['event', 'batch'] as const)('a group that holds (transaction %s)', (transaction) => {
  it('gives up what follows a dead letter of its aggregate, naming it, handles none of it, and goes on with the others', async () => {
    const { consumer, group, poison, handled, sweepAll } = createPoisoned({ transaction });
    await bench.pause(group);
    const events = await bench.publish('a', 'b', 'a', 'b', 'a', 'b', 'a');
    const [blocker, ...followers] = ofAggregate(events, 'a');
    poison.add(blocker?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => (await handled()).length === 3);
    await sweepAll();
    const late = await bench.publish('a', 'b', 'a');
    await eventually(async () => (await handled()).length === 4);
    await sweepAll();

    expect(await handled()).toEqual(idsOf(ofAggregate([...events, ...late], 'b')));
    const letters = await bench.letters(group);
    expect(letters.map(({ event_id, kind, behind }) => ({ event_id, kind, behind }))).toEqual([
      { event_id: blocker?.eventId, kind: 'attempts', behind: null },
      ...[...followers, ...ofAggregate(late, 'a')].map(({ eventId }) => ({
        event_id: eventId,
        kind: 'held',
        behind: blocker?.eventId,
      })),
    ]);
    expect(letters[1]?.reason).toBe(`waits behind the dead letter ${blocker?.eventId} of its aggregate`);
    expect(letters[1]).toMatchObject({ attempts: 0, history: [] });
    const called = new Set(consumer.calls.map(({ eventId }) => eventId));
    for (const { eventId } of [...followers, ...ofAggregate(late, 'a')])
      expect(called).not.toContain(eventId);
  });

  it('holds nothing behind what failed in a replay: it had been handled before', async () => {
    const { consumer, group, poison, handled, sweepAll } = createPoisoned({ transaction });
    bench.start(consumer);
    const [first] = await bench.publish('a', 'a');
    await bench.nothingPending(group);
    poison.add(first?.eventId ?? '');
    const [entry] = await bench.observer.range(bench.stream, '-', '+', 1);
    await bench.mover.replay(group, 'replay-1', [entry?.fields ?? {}]);
    await eventually(async () => (await bench.mover.sweep(group)).length === 1);

    const [late] = await bench.publish('a');
    await eventually(async () => (await handled()).includes(late?.eventId ?? ''));
    poison.add((await bench.publish('a'))[0]?.eventId ?? '');
    await sweepAll();

    const letters = await bench.letters(group);
    expect(letters.map(({ kind, behind, replay_id }) => ({ kind, behind, replay_id }))).toEqual([
      { kind: 'attempts', behind: null, replay_id: 'replay-1' },
      { kind: 'attempts', behind: null, replay_id: '' },
    ]);
  });

  it('keeps what follows waiting until it is known that the event is dead, however long that takes', async () => {
    const { consumer, group, poison, givenUp, handled, sweepAll } = createPoisoned({ transaction });
    const [blocker, ...rest] = await bench.publish('a', 'a', 'a', 'b');
    poison.add(blocker?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => (await givenUp()).size === 1);
    const late = await bench.publish('a', 'b');
    await eventually(async () => (await handled()).length === 2);
    await aWhile();

    expect([...(await givenUp()).keys()]).toEqual([blocker?.eventId]);
    await eventually(async () => (await bench.pendingOf(group)).length === 4);
    await sweepAll();
    const followers = ofAggregate([...rest, ...late], 'a');
    expect((await bench.letters(group)).map(({ event_id }) => event_id)).toEqual(
      idsOf([...(blocker === undefined ? [] : [blocker]), ...followers]),
    );
    expect(await handled()).toEqual(idsOf(ofAggregate([...rest, ...late], 'b')));
  });

  it('lets nothing through when its runner is replaced between the last failure and the letter, and again before what is held has one', async () => {
    const { consumer, group, poison, givenUp, handled, sweepAll } = createPoisoned({ transaction });
    const events = await bench.publish('a', 'a', 'b');
    const [blocker] = events;
    poison.add(blocker?.eventId ?? '');
    const first = bench.start(consumer);
    await eventually(async () => (await givenUp()).size === 1);
    await first.stop();
    await bench.publish('a');

    const second = bench.start(consumer, { name: 'second' });
    await eventually(second.isLive);
    await aWhile();
    expect([...(await givenUp()).keys()]).toEqual([blocker?.eventId]);
    for (const entry of await bench.mover.givenUp({ stream: bench.stream, group })) {
      expect(await bench.mover.settle({ stream: bench.stream, group }, entry)).toBe('dead');
    }
    await eventually(async () => (await givenUp()).size === 3);
    await second.stop();
    const late = await bench.publish('a', 'b');
    bench.start(consumer, { name: 'third' });
    await eventually(async () => (await handled()).length === 2);
    await sweepAll();

    expect(await handled()).toEqual(idsOf(ofAggregate([...events, ...late], 'b')));
    expect((await bench.letters(group)).map(({ kind }) => kind)).toEqual([
      'attempts',
      'held',
      'held',
      'held',
    ]);
  });

  it('lets nothing through when the lease changes hands between the last failure and the letter', async () => {
    const { consumer, group, poison, givenUp, handled, sweepAll } = createPoisoned({ transaction });
    const events = await bench.publish('a', 'a', 'b');
    const [blocker] = events;
    poison.add(blocker?.eventId ?? '');
    const runners = ['first', 'second'].map((name) => bench.start(consumer, { name }));
    await eventually(async () => (await givenUp()).size === 1);
    for (let round = 0; round < 3; round += 1) {
      // As if its holder had been away for longer than its lease.
      const changes = async () =>
        (
          await bench.database.pool.query<{ token: string }>(
            'select token from inbox_leases where consumer_group = $1',
            [group],
          )
        ).rows[0]?.token;
      const before = await changes();
      await bench.database.pool.query(
        `update inbox_leases set token = token + 1, expires_at = '-infinity' where consumer_group = $1`,
        [group],
      );
      await eventually(async () => Number(await changes()) > Number(before) + 1);
      await eventually(() => runners.some(({ isLive }) => isLive()));
      await bench.publish('a');
    }
    await aWhile();
    expect([...(await givenUp()).keys()]).toEqual([blocker?.eventId]);
    await sweepAll();

    expect(await handled()).toEqual(idsOf(ofAggregate(events, 'b')));
    expect((await bench.letters(group)).map(({ kind }) => kind)).toEqual([
      'attempts',
      'held',
      'held',
      'held',
      'held',
    ]);
  });

  it('goes on in order when the blocker is redriven and then what waited behind it', async () => {
    const { consumer, group, poison, handled, sweepAll } = createPoisoned({ transaction });
    const events = await bench.publish('a', 'a', 'a', 'b');
    poison.add(events[0]?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => (await handled()).length === 1);
    await sweepAll();
    poison.clear();

    await bench.mover.redrive(group, idsOf(events.slice(0, 1)));
    await bench.nothingPending(group);
    // The two others are dead letters still: they hold what comes.
    const late = await bench.publish('a');
    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 4;
    });
    await bench.mover.redrive(group);
    await bench.nothingPending(group);
    const last = await bench.publish('a', 'b');
    await bench.nothingPending(group);

    const all = [...events, ...late, ...last];
    const effects = await bench.effects(group);
    for (const id of ['a', 'b']) {
      const own = effects.filter(({ aggregate_id }) => aggregate_id === id).map(({ event_id }) => event_id);
      expect(own).toEqual(idsOf(ofAggregate(all, id)));
    }
    expect(new Set((await bench.letters(group)).map(({ state }) => state))).toEqual(new Set(['done']));
  });

  it('lets nothing overtake an event that was given up as held while its blocker was being redriven', async () => {
    const { consumer, group, poison, givenUp, handled, sweepAll } = createPoisoned({ transaction });
    const [blocker] = await bench.publish('a');
    poison.add(blocker?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 1;
    });
    const [follower] = await bench.publish('a');
    await eventually(async () => (await givenUp()).size === 1);

    // The follower is given up and not dead yet when its blocker is handled after all.
    poison.clear();
    await bench.mover.redrive(group);
    await eventually(async () => (await handled()).length === 1);
    const [later] = await bench.publish('a');
    await aWhile();
    expect(await handled()).toEqual([blocker?.eventId]);
    await sweepAll();
    expect(
      (await bench.letters(group)).map(({ event_id, state, kind }) => ({ event_id, state, kind })),
    ).toEqual([
      { event_id: blocker?.eventId, state: 'done', kind: 'attempts' },
      { event_id: follower?.eventId, state: 'dead', kind: 'held' },
      { event_id: later?.eventId, state: 'dead', kind: 'held' },
    ]);
  });
});

describe('a group that holds', () => {
  it('gives up at once what comes behind an event that is held, without waiting for its letter', async () => {
    const { consumer, group, poison, givenUp } = createPoisoned();
    const [blocker] = await bench.publish('a');
    poison.add(blocker?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 1;
    });

    await bench.publish(...Array.from({ length: 200 }, () => 'a'));

    await eventually(async () => (await givenUp()).size === 200);
    expect(
      new Set([...(await givenUp()).values()].map(({ kind, attempts }) => `${kind} ${attempts}`)),
    ).toEqual(new Set(['held 0']));
  });

  it.each([
    ['asks for it', 'declined'],
    ['cannot read it', 'undecodable'],
  ])('holds what follows an event of which its handler %s, too', async (how, kind) => {
    const asks = how === 'asks for it';
    const consumer = bench.consumer({ ...hold, transaction: 'batch' }, ({ eventId }) =>
      eventId === first?.eventId ? deadLetter('of no use') : undefined,
    );
    const { group } = consumer;
    const [first, second] = await bench.publisher.publishEvents(
      { aggregateId: 'a', type: 'user.renamed', payload: asks ? '{"name":"Ada"}' : 'no JSON' },
      { aggregateId: 'a', type: 'user.renamed', payload: '{"name":"Ada"}' },
    );
    bench.start(consumer);

    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 2;
    });
    expect(
      (await bench.letters(group)).map(({ event_id, kind: was, behind }) => [event_id, was, behind]),
    ).toEqual([
      [first?.eventId, kind, null],
      [second?.eventId, 'held', first?.eventId],
    ]);
    expect(await bench.effects(group)).toEqual([]);
  });

  it('says which event of a batch is held when the batch is rolled back because of it', async () => {
    const { consumer, group, poison, handled } = createPoisoned({ transaction: 'batch' });
    const [blocker] = await bench.publish('a');
    poison.add(blocker?.eventId ?? '');
    const first = bench.start(consumer);
    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 1;
    });
    await first.stop();

    const [held, other] = await bench.publish('a', 'b');
    const second = bench.start(consumer, { name: 'second' });
    await eventually(async () => (await handled()).includes(other?.eventId ?? ''));

    expect(second.logs.find(({ msg }) => String(msg).includes('a batch was rolled back'))).toMatchObject({
      events: 2,
      event_id: held?.eventId,
      outcome: 'held',
    });
  });

  it('is not held up by an entry that is no event, though it names an aggregate', async () => {
    const { consumer, group, givenUp, handled } = createPoisoned();
    const foreign = { event_id: 'none', occurred_at: 'yesterday', aggregate_type: 'user', aggregate_id: 'a' };
    await bench.redis.client().xadd(bench.stream, '*', ...Object.entries(foreign).flat());
    const events = await bench.publish('a', 'b');
    bench.start(consumer);

    await eventually(async () => (await givenUp()).size === 1 && (await handled()).length === 2);
    expect(new Set(await handled())).toEqual(new Set(idsOf(events)));
    await eventually(async () => (await bench.pendingOf(group)).length === 1);
  });

  it.each([
    ['time', { occurred_at: '2026-01-02T03:04:05+20:00' }],
    ['replay', { replay_id: 'r\0' }],
    ['long replay', { replay_id: randomBytes(3_000).toString('hex') }],
  ])('is not held up, in any aggregate, by an entry whose %s no inbox can record', async (_, odd) => {
    const { consumer, group, poison, givenUp, handled } = createPoisoned();
    const [first, blocker, follower] = await bench.publish('a', 'b', 'b');
    const [entry] = await bench.observer.range(bench.stream, '-', '+', 1);
    const foreign = { ...entry?.fields, ...odd, event_id: randomUUID(), aggregate_id: 'c' };
    const behind = { ...foreign, event_id: randomUUID() };
    for (const fields of [foreign, behind])
      await bench.redis.client().xadd(bench.stream, '*', ...Object.entries(fields).flat());
    poison.add(blocker?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => {
      const known = await givenUp();
      return [foreign.event_id, behind.event_id, blocker?.eventId ?? ''].every((id) => known.has(id));
    });

    const ref = { stream: bench.stream, group };
    for (const given of await bench.mover.givenUp(ref))
      if (given.fields?.event_id === blocker?.eventId) await bench.mover.settle(ref, given);

    await eventually(async () => (await givenUp()).has(follower?.eventId ?? ''));
    const [own] = await bench.publish('c');
    await eventually(async () => (await handled()).length === 2);
    expect(await handled()).toEqual(idsOf([first, own].filter((event) => event !== undefined)));
  });

  it('goes on when the dead letter is discarded', async () => {
    const { consumer, group, poison, handled, sweepAll } = createPoisoned();
    const [blocker] = await bench.publish('a');
    poison.add(blocker?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => {
      await bench.mover.sweep(group);
      return (await bench.letters(group)).length === 1;
    });
    await sweepAll();
    await bench.database.pool.query(`update dead_letters set state = 'discarded' where consumer_group = $1`, [
      group,
    ]);

    const [next] = await bench.publish('a');
    await eventually(async () => (await handled()).length === 1);
    expect(await handled()).toEqual([next?.eventId]);
  });

  it('starts over when Redis forgets what was given up and not yet dead', async () => {
    const { consumer, group, poison, givenUp, handled } = createPoisoned();
    const events = await bench.publish('a', 'a', 'a');
    poison.add(events[0]?.eventId ?? '');
    bench.start(consumer);
    await eventually(async () => (await givenUp()).size === 1);
    poison.clear();

    await bench.redis.client().flushall();
    await bench.publisher.publishAgain(events);
    await bench.nothingPending(group);

    expect(await handled()).toEqual(idsOf(events));
  });

  it('lets the others go on while the mover is away, however many aggregates wait for it', async () => {
    const { consumer, poison, givenUp, handled } = createPoisoned({
      retry: { maxAttempts: 1, backoff: exponential('20ms') },
    });
    const blockers = await bench.publish(...Array.from({ length: 90 }, (_, n) => `a${n}`));
    for (const { eventId } of blockers) poison.add(eventId);
    bench.start(consumer, { capacity: 30 });
    await eventually(async () => (await givenUp()).size === 90);

    await bench.publish(...Array.from({ length: 30 }, (_, n) => `b${n}`));
    await eventually(async () => (await handled()).length === 30);
  });
});
