import type { S3Fault, S3Operation } from '@event-bus/testkit';
import { describe, expect, it } from 'vitest';
import { ContentMismatchError, StoreClosedError, StoreUnavailableError } from '../errors.ts';
import type { ArchiveStore, Content } from '../store/store.ts';
import { bytesOf, keysOf, largeContent, networkOf, type OpenStore, textContent, textOf } from './setup.ts';

const MIB = 1024 * 1024;

/** One call of each kind, on an object that is there and one that is not. */
function everyCall(store: ArchiveStore): readonly [S3Operation, () => Promise<unknown>][] {
  return [
    ['PutObject', () => store.put('new', textContent('new'))],
    ['HeadObject', () => store.head('old')],
    ['GetObject', () => textOf(store, 'old')],
    ['ListObjectsV2', () => keysOf(store.list({ prefix: '' }))],
    ['DeleteObjects', () => store.delete(['other'])],
    ['ListMultipartUploads', () => store.removeLeftovers(new Date())],
    ['ListObjectsV2', () => store.ping()],
  ];
}

/** What a store does when its server, or the way there, fails. */
export function testFaults(open: OpenStore): void {
  describe('under faults', () => {
    it('says that the server is away, and goes on when it is back', async () => {
      const opened = await open();
      const { store } = opened;
      await store.put('old', textContent('old'));
      networkOf(opened).refuse();
      networkOf(opened).cut();

      for (const [, call] of everyCall(store)) await expect(call()).rejects.toThrow(StoreUnavailableError);
      await networkOf(opened).accept();

      for (const [, call] of everyCall(store)) await call();
    });

    it('gives up on a server that does not answer', async () => {
      const opened = await open({ timeoutMs: 100 });
      const { promise: until, resolve: release } = Promise.withResolvers<void>();
      networkOf(opened).inject({ kind: 'hold', until }, { times: Number.MAX_SAFE_INTEGER });

      const calls = everyCall(opened.store).map(([, call]) => call());

      for (const call of await Promise.allSettled(calls)) {
        expect(call).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } });
      }
      release();
    });

    it('waits for a server that is slow', async () => {
      const opened = await open();
      const { promise: until, resolve: release } = Promise.withResolvers<void>();
      const held = networkOf(opened).inject({ kind: 'hold', until }, { operation: 'PutObject' });

      const put = opened.store.put('k', textContent('k'));
      while (held.hits() === 0) await opened.connect().ping();
      release();

      expect(await put).toBe('stored');
    });

    it.each([
      { status: 503, code: 'SlowDown' },
      { status: 500, code: 'InternalError' },
    ])('tries again when told $code', async ({ status, code }) => {
      const opened = await open();
      const { store } = opened;
      await store.put('old', textContent('old'));

      for (const [operation, call] of everyCall(store)) {
        const fault = networkOf(opened).inject({ kind: 'error', status, code }, { operation });
        await call();
        expect(fault.hits()).toBe(1);
      }

      expect(await textOf(store, 'new')).toBe('new');
    });

    it('says so when it is told to slow down for too long', async () => {
      const opened = await open();
      const slow: S3Fault = { kind: 'error', status: 503, code: 'SlowDown' };
      networkOf(opened).inject(slow, { times: Number.MAX_SAFE_INTEGER });

      const failure: unknown = await opened.store.ping().catch((error: unknown) => error);

      expect(failure).toBeInstanceOf(StoreUnavailableError);
      expect(String(failure)).toContain('503 SlowDown');
    });

    const small: readonly S3Operation[] = ['HeadObject', 'PutObject'];
    const large: readonly S3Operation[] = [
      'HeadObject',
      'CreateMultipartUpload',
      'UploadPart',
      'CompleteMultipartUpload',
      'GetObject',
    ];
    const puts: readonly [S3Operation, Content][] = [
      ...small.map((operation): [S3Operation, Content] => [operation, textContent('content')]),
      ...large.map((operation): [S3Operation, Content] => [operation, largeContent(17 * MIB)]),
    ];
    const cuts: readonly S3Fault[] = [
      { kind: 'cut-request' },
      { kind: 'lose-reply' },
      { kind: 'error', status: 409, code: 'ConditionalRequestConflict' },
      { kind: 'error', status: 200, code: 'InternalError' },
    ];
    const cases = cuts.flatMap((fault) =>
      puts
        .filter(
          ([operation]) =>
            fault.kind !== 'error' || ['PutObject', 'CompleteMultipartUpload'].includes(operation),
        )
        .filter(([operation]) => !('status' in fault) || fault.status !== 200 || operation !== 'PutObject')
        .map(([operation, content]) => ({
          fault,
          operation,
          content,
          name: `${JSON.stringify(fault)} of ${operation}`,
        })),
    );
    it.each(cases)('puts an object once and whole: $name', async ({ fault, operation, content }) => {
      const opened = await open();
      const { store } = opened;
      const injected = networkOf(opened).inject(fault, { operation });

      expect(await store.put('k', content)).toBe('stored');

      expect(injected.hits()).toBe(1);
      expect((await bytesOf(store, 'k')).equals(Buffer.concat(await Array.fromAsync(content.open())))).toBe(
        true,
      );
      expect(await keysOf(store.list({ prefix: '' }))).toEqual(['k']);
      // An upload whose ID was lost is all that can remain.
      const leftovers = await store.removeLeftovers(new Date(Date.now() + 3_600_000));
      expect(leftovers).toBe(operation === 'CreateMultipartUpload' && fault.kind === 'lose-reply' ? 1 : 0);
    });

    it.each([
      ['PutObject', 1_000],
      ['CompleteMultipartUpload', 9 * MIB],
    ] as const)(
      'finds a put that was done and never answered, and does not send it again: %s',
      async (operation, sizeBytes) => {
        const opened = await open();
        const { store } = opened;
        const network = networkOf(opened);
        const lost = network.inject({ kind: 'lose-reply' }, { operation, times: Number.MAX_SAFE_INTEGER });
        const first = await store.put('k', largeContent(sizeBytes)).catch((error: unknown) => error);
        expect([first === 'stored', first instanceof StoreUnavailableError]).toContain(true);
        lost.remove();
        const before = network.requests().length;

        expect(await store.put('k', largeContent(sizeBytes))).toBe('stored');

        const since = network
          .requests()
          .slice(before)
          .map((request) => request.operation);
        expect(since).not.toContain(operation);
      },
    );

    it.each([
      ['in one piece', 'PutObject', 1_000],
      ['in parts', 'UploadPart', 17 * MIB],
    ] as const)('sends again what was altered on its way: %s', async (_, operation, sizeBytes) => {
      const opened = await open();
      const { store } = opened;
      const altered = networkOf(opened).inject({ kind: 'flip-request-bit' }, { operation });

      expect(await store.put('k', largeContent(sizeBytes))).toBe('stored');

      expect(altered.hits()).toBe(1);
      const expected = await Array.fromAsync(largeContent(sizeBytes).open());
      expect((await bytesOf(store, 'k')).equals(Buffer.concat(expected))).toBe(true);
    });

    it('puts nothing where everything is altered on its way', async () => {
      const opened = await open();
      networkOf(opened).inject(
        { kind: 'flip-request-bit' },
        { operation: 'PutObject', times: Number.MAX_SAFE_INTEGER },
      );

      await expect(opened.store.put('k', textContent('content'))).rejects.toThrow(StoreUnavailableError);
      expect(await opened.store.head('k')).toBeNull();
    });

    it('says so when the store does not keep what it was given', async () => {
      const opened = await open();
      const { promise: until, resolve: release } = Promise.withResolvers<void>();
      const network = networkOf(opened);
      // The look before the write, and the one behind it.
      network.inject({ kind: 'hold', until: Promise.resolve() }, { operation: 'HeadObject' });
      const confirming = network.inject({ kind: 'hold', until }, { operation: 'HeadObject' });

      const put = opened.store.put('k', textContent('content'));
      const refused = expect(put).rejects.toThrow(ContentMismatchError);
      while (confirming.hits() === 0) await opened.store.ping();
      expect(network.requests().some(({ operation }) => operation === 'PutObject')).toBe(true);
      await opened.connect().put('k', textContent('other'), { replace: true });
      release();

      await refused;
    });

    it.each([
      ['breaks off', { kind: 'cut-reply', afterBytes: 100_000 }],
      ['ends too early', { kind: 'truncate-reply', toBytes: 100_000 }],
      ['breaks off before its first byte', { kind: 'cut-reply', afterBytes: 0 }],
    ] as const)('reads on where a body %s', async (_, fault) => {
      const opened = await open();
      const { store } = opened;
      const content = largeContent(MIB);
      await store.put('k', content);
      const injected = networkOf(opened).inject(fault, { operation: 'GetObject', times: 3 });

      expect((await bytesOf(store, 'k')).equals(Buffer.concat(await Array.fromAsync(content.open())))).toBe(
        true,
      );
      expect(await bytesOf(store, 'k', { start: 10, end: 20 })).toHaveLength(10);

      expect(injected.hits()).toBe(3);
    });

    it('does not mix two versions of an object that is replaced while it is read', async () => {
      const opened = await open();
      const { store } = opened;
      await store.put('k', largeContent(MIB));
      networkOf(opened).inject({ kind: 'cut-reply', afterBytes: 100_000 }, { operation: 'GetObject' });
      const { body } = await store.get('k');

      await opened.connect().put('k', largeContent(MIB, 2), { replace: true });

      await expect(Array.fromAsync(body)).rejects.toThrow(/replaced while it was read/);
    });

    it('says so when a body breaks off every time', async () => {
      const opened = await open();
      await opened.store.put('k', largeContent(MIB));
      networkOf(opened).inject(
        { kind: 'cut-reply', afterBytes: 0 },
        { operation: 'GetObject', times: Number.MAX_SAFE_INTEGER },
      );

      await expect(bytesOf(opened.store, 'k')).rejects.toThrow(StoreUnavailableError);
    });

    it('reads no more of the content than it can send', async () => {
      const opened = await open();
      const { promise: until, resolve: release } = Promise.withResolvers<void>();
      const held = networkOf(opened).inject({ kind: 'hold', until }, { operation: 'UploadPart' });
      const content = largeContent(33 * MIB);
      let readBytes = 0;
      const counted: Content = {
        ...content,
        async *open() {
          for await (const chunk of content.open()) {
            readBytes += chunk.byteLength;
            yield chunk;
          }
        },
      };

      const put = opened.store.put('k', counted);
      while (held.hits() === 0) await opened.connect().ping();

      expect(readBytes).toBeLessThan(9 * MIB);
      release();
      expect(await put).toBe('stored');
    });

    it('ends what waits when it is closed', async () => {
      const opened = await open();
      const { promise: until, resolve: release } = Promise.withResolvers<void>();
      const held = networkOf(opened).inject({ kind: 'hold', until }, { operation: 'PutObject' });
      const ended = expect(opened.store.put('k', textContent('k'))).rejects.toThrow(StoreClosedError);
      while (held.hits() === 0) await opened.connect().ping();

      await opened.store.close();

      await ended;
      release();
    });
  });
}
