import { createS3Store } from '@event-bus/archive/s3';
import { recordTrimmed } from '@event-bus/database';
import { eventually } from '@event-bus/testkit';
import { compareEntryIds, derivedKeys } from '@event-bus/transport';
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { sweepStream } from './stream-sweep.ts';
import { bucket, createStage, idsOf, type Stage, stream, whole } from './testing.ts';

let stage: Stage;

beforeEach(async () => {
  stage = await createStage(inject('postgresUrl'));
});

afterEach(() => stage.close());

/** Publishes events and waits until they stand in the stream. */
async function publish(count: number): Promise<void> {
  await stage.append(count);
  const before = await stage.client.xlen(stream);
  const publisher = stage.startPublisher();
  await eventually(async () => (await stage.client.xlen(stream)) >= before + count);
  await publisher.stop();
}

const eventIdsOf = (entries: readonly { readonly fields: Readonly<Record<string, string>> }[]) =>
  entries.map(({ fields }) => fields.event_id);

describe('a sweep', () => {
  test('moves what has left the hot window to the archive, to the byte, and leaves the newest entry of the source', async () => {
    await publish(300);
    const before = await stage.standing();

    await stage.sweep();

    expect(await stage.archived()).toEqual(before);
    expect(idsOf(await stage.standing())).toEqual(idsOf(before.slice(-1)));
    expect(await stage.union()).toEqual(whole);
    const view = await stage.status();
    expect(view).toMatchObject({
      length: 1,
      archivedTo: before.at(-1)?.id,
      trimmedTo: before.at(-2)?.id,
      archiveLagMs: 0,
      blockedBy: [],
    });
    expect(view?.terms[0]).toMatchObject({ kind: 'writer', name: 'stage' });
    const { rows } = await stage.database.pool.query('select * from stream_retention_sources');
    expect(rows).toMatchObject([
      {
        source: 'stage',
        archived_event_id: before.at(-1)?.fields.event_id,
        trimmed_event_id: before.at(-2)?.fields.event_id,
        trimmed_position: before.at(-2)?.fields.position,
      },
    ]);
    const keys = stage.s3.keys('archive');
    await stage.sweep();
    expect(stage.s3.keys('archive')).toEqual(keys);
  });

  test('leaves what is in the hot window, and archives hours that are over before they leave it', async () => {
    const [hourMs, now] = [3_600_000, Date.now()];
    // The hour that is under way has half of its time to go, at whatever time this runs.
    const archiveAfterMs = (now % hourMs) + hourMs / 2;
    const hour = now - (now % hourMs) - hourMs;
    for (const [n, at] of [hour - 1, hour + 1].entries())
      await stage.client.xadd(
        stream,
        `${at}-0`,
        'event_id',
        `e${n}`,
        'source',
        's',
        'position',
        String(n + 1),
      );

    await stage.sweep({ hotMs: 86_400_000 }, { archiveAfterMs });

    expect(eventIdsOf(await stage.archived())).toEqual(['e0']);
    expect(eventIdsOf(await stage.standing())).toEqual(['e0', 'e1']);
    expect((await stage.status({ hotMs: 86_400_000 }))?.terms[0]?.kind).toBe('window');
  });

  test('lets a stream that takes up too much memory go before its time', async () => {
    await publish(400);
    const bytes = (await stage.status())?.bytes ?? 0;

    await stage.sweep({ hotMs: 86_400_000, hotBytes: Math.ceil(bytes / 2) });

    const left = (await stage.standing()).length;
    expect(left).toBeGreaterThan(150);
    expect(left).toBeLessThan(260);
    expect(await stage.union()).toEqual(whole);
  });

  test('that may not take out all that is too much at once has more to do, but not while a group keeps it', async () => {
    const small = { hotMs: 86_400_000, hotBytes: 1_024 };
    const own = { archiveAfterMs: 86_400_000, maxObjectBytes: 64 * 1024 ** 2 };
    const sweep = () => stage.sweep(small, own);
    await stage.join('mail');
    await stage.fill(stream, 21_000);

    expect(await sweep()).toBe(false);
    expect(await stage.client.xlen(stream)).toBe(21_000);

    await stage.settle('mail');
    expect(await sweep()).toBe(true);
    expect(await sweep()).toBe(false);
    expect(await stage.client.xlen(stream)).toBeLessThan(100);
  });

  test('of a stream that its topic had before it was given more partitions waits for the groups that read it, and no others', async () => {
    await stage.join('mail');
    await publish(20);
    await stage.settle('mail', 5);
    await stage.database.pool.query('update topics set partitions = 2');
    await stage.register('late');

    await stage.sweep();

    expect(await stage.standing()).toHaveLength(15);
    expect((await stage.status())?.blockedBy).toMatchObject([{ group: 'mail' }]);
    await stage.settle('mail');
    await stage.sweep();
    expect(await stage.standing()).toHaveLength(1);
    expect((await stage.status())?.blockedBy).toEqual([]);
    expect(await stage.union()).toEqual(whole);
  });

  test('keeps what a group has not settled, names the group, and lets go when it has', async () => {
    await stage.join('mail');
    await publish(20);
    await stage.settle('mail', 5);

    await stage.sweep();

    expect(await stage.standing()).toHaveLength(15);
    const view = await stage.status();
    expect(view?.terms[0]).toMatchObject({ kind: 'group', name: 'mail' });
    expect(view?.blockedBy).toMatchObject([{ group: 'mail' }]);
    await stage.settle('mail');
    await stage.sweep();
    expect(await stage.standing()).toHaveLength(1);
    expect((await stage.status())?.blockedBy).toEqual([]);
  });

  test('keeps what a newer version of a group has yet to read, also when a runner of an older one starts again', async () => {
    await publish(20);
    await stage.join('mail');
    // The older one does not know the topic.
    await stage.register('mail', ['project']);

    await stage.sweep();

    expect(await stage.standing()).toHaveLength(20);
  });

  test('keeps everything while a registered group is missing on the server', async () => {
    await stage.join('mail');
    await publish(5);
    await stage.client.xgroup('DESTROY', stream, 'mail');

    await stage.sweep();

    expect(await stage.standing()).toHaveLength(5);
    expect((await stage.status())?.terms[0]).toMatchObject({ kind: 'group', name: 'mail', keepFrom: '0-0' });
    expect(await stage.archived()).toHaveLength(5);
  });

  test('keeps what a group that came in the midst of it has yet to read', async () => {
    await publish(300);
    const { trimmer } = stage.parts;
    let hasCome = false;
    const slow: typeof trimmer = {
      ...trimmer,
      async bounds(...asked) {
        const found = await trimmer.bounds(...asked);
        if (!hasCome) {
          hasCome = true;
          await stage.join('mail');
          await stage.settle('mail', 100);
        }
        return found;
      },
    };

    await stage.sweep({}, { trimmer: slow });

    expect(await stage.standing()).toHaveLength(200);
    expect(await stage.union()).toEqual(whole);
  });

  test('takes over an object that nobody recorded, and writes it no second time', async () => {
    await publish(50);
    await stage.sweep();
    const keys = stage.s3.keys('archive');
    await stage.database.pool.query('delete from stream_retention_sources');
    await stage.database.pool.query('delete from stream_retention');
    await stage.client.hdel(derivedKeys.writers(stream), '@trimmed');

    await stage.sweep();

    expect(stage.s3.keys('archive')).toEqual(keys);
    expect((await stage.status())?.archivedTo).toBe((await stage.standing()).at(-1)?.id);
  });
});

describe('a Redis that lost everything', () => {
  test('after a trim gets back what was not trimmed, and of what was no more than shared a batch with it', async () => {
    await stage.join('mail');
    for (const count of [20, 20]) await publish(count);
    await stage.settle('mail', 25);
    await stage.sweep();
    const rest = eventIdsOf(await stage.standing());
    expect(rest).toHaveLength(15);
    await stage.client.flushall();

    await stage.append(3);
    const publisher = stage.startPublisher();
    await eventually(async () => {
      expect(eventIdsOf(await stage.standing()).slice(-18, -3)).toEqual(rest);
      return true;
    });
    await publisher.stop();
    await stage.join('mail');

    expect((await stage.standing()).length).toBeLessThanOrEqual(23);
    await stage.settle('mail');
    await stage.sweep();
    expect(await stage.standing()).toHaveLength(1);
    expect(await stage.union()).toEqual(whole);
  });

  test('between upload and trim is archived anew, and only then trimmed', async () => {
    await stage.join('mail');
    await publish(20);
    await stage.sweep();
    await stage.client.flushall();
    const publisher = stage.startPublisher();
    await eventually(async () => (await stage.client.xlen(stream)) === 20);
    await publisher.stop();
    await stage.join('mail');
    await stage.settle('mail');
    const rebuilt = idsOf(await stage.standing());

    await stage.sweep();

    expect(stage.logs.map(({ msg }) => String(msg)).join()).toContain('went back in time');
    expect(await stage.standing()).toHaveLength(1);
    expect(idsOf(await stage.archived()).filter((id) => rebuilt.includes(id))).toEqual(rebuilt);
    expect(await stage.union()).toEqual(whole);
  });

  test('and hands out the IDs of archived entries again is not trimmed by what the archive has under them', async () => {
    await publish(10);
    const before = await stage.standing();
    await stage.join('late');
    await stage.sweep();
    // The same IDs, other events.
    const kept = before.slice(0, 3);
    await stage.client.del(stream);
    for (const [n, { id }] of before.entries()) {
      const fields = { ...before[n]?.fields, ...(n < 3 ? {} : { event_id: `other-${n}` }) };
      await stage.client.xadd(stream, id, ...Object.entries(fields).flat().map(String));
    }
    await stage.client.xadd(stream, '*', 'event_id', 'newest', 'source', 'stage', 'position', '99');
    await stage.client.del(derivedKeys.writers(stream));
    await stage.join('late');
    await stage.settle('late');

    await stage.sweep();

    const all = eventIdsOf([...(await stage.archived()), ...(await stage.standing())]);
    for (let n = 3; n < 10; n += 1) expect(all).toContain(`other-${n}`);
    expect(all).toEqual(expect.arrayContaining(eventIdsOf(kept)));
    expect(all).toContain('newest');
  });
});

describe('clocks', () => {
  test('that were ahead leave entries that count as new until their time has come', async () => {
    const future = Date.now() + 3_600_000;
    await publish(3);
    await stage.client.xadd(stream, `${future}-0`, 'event_id', 'f', 'source', 'other', 'position', '1');

    await stage.sweep();

    expect(eventIdsOf(await stage.standing()).at(-1)).toBe('f');
    expect(await stage.archived()).toHaveLength(3);
    await publish(2);
    const ids = idsOf(await stage.standing());
    expect(ids.slice(-2).every((id) => compareEntryIds(id, `${future}-0`) > 0)).toBe(true);
    expect(await stage.archived()).toHaveLength(3);
  });
});

describe('an archive that fails', () => {
  const faults = {
    'answers errors': { kind: 'error', status: 503, code: 'SlowDown' },
    'loses its answer': { kind: 'lose-reply' },
    'breaks off while an object arrives': { kind: 'cut-request' },
    'alters an object on its way': { kind: 'flip-request-bit' },
  } as const;

  test.each(Object.entries(faults))('and %s for a while costs nothing but time', async (_, fault) => {
    await publish(30);
    stage.s3.inject(fault, { operation: 'PutObject', times: 2 });

    await eventually(async () => {
      await stage.sweep();
      return true;
    });

    expect(await stage.standing()).toHaveLength(1);
    expect(await stage.union()).toEqual(whole);
  });

  test('keeps everything in the stream', async () => {
    await publish(10);
    await stage.s3.stop();

    await expect(stage.sweep()).rejects.toMatchObject({ code: 'store_unavailable' });

    expect(await stage.standing()).toHaveLength(10);
  });

  test('and cuts an object short says so, and nothing is trimmed for it', async () => {
    await publish(10);
    await stage.join('slow');
    await stage.sweep();
    const [key = ''] = stage.s3.keys('archive');
    stage.s3.damage('archive', key, (bytes) => bytes.subarray(0, bytes.length - 3));
    await stage.database.pool.query('delete from stream_retention_sources');
    await stage.database.pool.query('delete from stream_retention');
    await stage.settle('slow');

    await stage.sweep();

    expect(await stage.archived()).toHaveLength(10);
    expect(await stage.union()).toEqual(whole);
    expect(JSON.stringify(stage.logs)).toContain('is damaged');
  });
});

describe('an archive that takes its time', () => {
  const slow = ['ListObjectsV2', 'PutObject', 'HeadObject'] as const;

  test.each(slow)('over %s keeps its own stream from being trimmed, and no other one', async (operation) => {
    await publish(20);
    for (let n = 1; n <= 3; n += 1) {
      const fields = ['event_id', `o${n}`, 'source', 's', 'position', String(n)];
      await stage.client.xadd('events:order', '*', ...fields);
    }
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    // The look that verifies comes behind the one that finds nothing.
    if (operation === 'HeadObject')
      stage.s3.inject({ kind: 'hold', until: Promise.resolve() }, { operation });
    const hold = stage.s3.inject({ kind: 'hold', until }, { operation });

    const sweeping = stage.sweep();
    await eventually(() => hold.hits() === 1);
    const policy = { hotMs: 1, hotBytes: null, coldMs: 86_400_000, compliance: false };
    const other = { stream: 'events:order', topic: 'order', policy };
    await sweepStream(stage.parts, other, new AbortController().signal);

    expect(await stage.client.xlen('events:order')).toBeLessThan(3);
    expect(await stage.standing()).toHaveLength(20);
    expect(await stage.status()).toMatchObject({ archivedTo: null, trimmedTo: null });
    goOn();
    await sweeping;
    expect(await stage.standing()).toHaveLength(1);
    expect(await stage.union()).toEqual(whole);
  });

  test('longer than it may is given up, and what it stores long afterwards is taken over', async () => {
    const { endpoint } = stage.s3;
    const store = createS3Store({ bucket, endpoint, region: 'us-east-1', attempts: 2, timeoutMs: 500 });
    onTestFinished(() => store.close());
    await publish(20);
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    const hold = stage.s3.inject({ kind: 'hold', until }, { operation: 'PutObject', times: 2 });

    await expect(stage.sweep({}, { store })).rejects.toMatchObject({ code: 'store_unavailable' });

    // One that a busy machine did not send in time has reached nobody.
    const tries = hold.hits();
    expect(tries).toBeGreaterThan(0);
    expect(await stage.standing()).toHaveLength(20);
    expect(stage.s3.keys(bucket)).toEqual([]);
    goOn();
    await eventually(
      () => stage.s3.requests().filter((done) => done.operation === 'PutObject').length === tries,
    );
    const keys = stage.s3.keys(bucket);
    expect(keys).toHaveLength(1);
    await stage.sweep();
    expect(stage.s3.keys(bucket)).toEqual(keys);
    expect(await stage.standing()).toHaveLength(1);
    expect(await stage.union()).toEqual(whole);
  });
});

test('of two archivers of one stream each finds what the other has done', async () => {
  await publish(500);

  const results = await Promise.allSettled([1, 2, 3].map(() => stage.sweep()));

  for (const result of results) {
    if (result.status === 'rejected')
      expect(['overtaken', 'stream_changed']).toContain((result.reason as { code?: string }).code);
  }
  await stage.sweep();
  expect(await stage.standing()).toHaveLength(1);
  expect(await stage.union()).toEqual(whole);
});

test('a trim that was recorded and not done is done by the next sweep', async () => {
  await publish(10);
  await stage.join('slow');
  await stage.sweep();
  const entries = await stage.standing();
  const last = entries[6];
  const lastOf = new Map([
    ['stage', { position: Number(last?.fields.position), eventId: last?.fields.event_id ?? '' }],
  ]);
  await recordTrimmed(stage.database.db, stream, { from: null, to: last?.id ?? '', lastOf });
  await stage.settle('slow', 7);

  await stage.sweep();

  expect(idsOf(await stage.standing())).toEqual(idsOf(entries.slice(7)));
  expect(await stage.client.hget(derivedKeys.writers(stream), '@trimmed')).toBe(last?.id);
});
