import { describe, expect, it, vi } from 'vitest';
import { type Bench, eventIds, namesOf, type OpenTransport, PLACES, setUp } from './setup.ts';

/** Reads one entry after the other under a name that somebody else tries to remove all the time. */
async function readBesideRemovals(
  { reader, ref, publish }: Bench,
  remove: (consumer: string) => Promise<boolean>,
): Promise<{ readonly published: string[]; readonly delivered: string[] }> {
  const published = Array.from({ length: 60 }, (_, index) => `e${index}`);
  const request = { group: ref.group, consumer: 'one', from: [ref], count: 1, blockMs: 50 };
  const delivered: string[] = [];
  let reading = true;

  const removing = (async () => {
    while (reading) await remove('one');
  })();
  const publishing = (async () => {
    for (const name of published) await publish(name);
  })();
  while (delivered.length < published.length) {
    const read = await reader.read(request);
    delivered.push(...eventIds(read));
    // Every other one stays pending.
    if (delivered.length % 2 === 0) await reader.acknowledge(ref, namesOf(read));
  }
  await publishing;
  reading = false;
  await removing;
  return { published, delivered };
}

/** How names disappear without taking anything with them. */
export function testRemovingConsumers(open: OpenTransport): void {
  describe.each(PLACES)('removing consumers from the %s', (place) => {
    it('removes a name under which nothing is pending', async () => {
      const { reader, ref, publish, take, status } = await setUp(open, place);
      await publish('a');
      await reader.acknowledge(ref, namesOf(await take('one')));

      expect(await reader.removeConsumer(ref, 'one')).toBe(true);
      expect(await reader.removeConsumer(ref, 'one')).toBe(true);

      expect((await status()).consumers).toEqual([]);
    });

    it('leaves a name with pending entries, and the entries with it', async () => {
      const { reader, mover, ref, publish, take, status } = await setUp(open, place);
      await publish('a', 'b');
      await take('one');

      expect(await reader.removeConsumer(ref, 'one')).toBe(false);
      expect(await mover.removeIdleConsumer(ref, 'one', 0)).toBe(false);

      expect(await status()).toMatchObject({ pending: 2 });
    });

    it('finds the name gone when the group is', async () => {
      const { reader, backdoor, ref } = await setUp(open, place);
      await backdoor.deleteGroup(ref);

      expect(await reader.removeConsumer(ref, 'one')).toBe(true);
    });

    it('leaves a name alone that was heard of lately, until it is idle', async () => {
      const { reader, mover, ref, publish, take, status } = await setUp(open, place);
      await publish('a');
      await reader.acknowledge(ref, namesOf(await take('one')));

      expect(await mover.removeIdleConsumer(ref, 'one', 600_000)).toBe(false);
      await vi.waitFor(async () => expect(await mover.removeIdleConsumer(ref, 'one', 50)).toBe(true), 10_000);
      expect(await mover.removeIdleConsumer(ref, 'one', 600_000)).toBe(true);

      expect((await status()).consumers).toEqual([]);
    });

    it('loses nothing when it races with reads under the same name', async () => {
      const bench = await setUp(open, place);
      const remover = bench.transport.reader();

      const { published, delivered } = await readBesideRemovals(bench, (consumer) =>
        remover.removeConsumer(bench.ref, consumer),
      );

      expect(delivered).toEqual(published);
      expect((await bench.status()).pending).toBe(published.length / 2);
    });

    it('loses nothing when the mover that takes a name for dead races with its reads', async () => {
      const bench = await setUp(open, place);

      const { published, delivered } = await readBesideRemovals(bench, (consumer) =>
        bench.mover.removeIdleConsumer(bench.ref, consumer, 0),
      );

      expect(delivered).toEqual(published);
      expect((await bench.status()).pending).toBe(published.length / 2);
    });
  });
}
