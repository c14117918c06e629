import { describe, expect, it } from 'vitest';
import { eventIds, type OpenTransport, setUp } from './setup.ts';

/** How names disappear without taking anything with them. */
export function testRemovingConsumers(open: OpenTransport): void {
  describe('removing consumers', () => {
    it('removes a name under which nothing is pending', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      const published = await publish('a');
      await take('one');
      await reader.acknowledge(ref, published);

      expect(await reader.removeConsumer(ref, 'one')).toBe(true);
      expect(await reader.removeConsumer(ref, 'one')).toBe(true);

      expect((await status()).consumers).toEqual([]);
    });

    it('leaves a name with pending entries, and the entries with it', async () => {
      const { reader, ref, publish, take, status } = await setUp(open);
      await publish('a', 'b');
      await take('one');

      expect(await reader.removeConsumer(ref, 'one')).toBe(false);

      expect(await status()).toMatchObject({ pending: 2 });
    });

    it('finds the name gone when the group is', async () => {
      const { reader, backdoor, ref } = await setUp(open);
      await backdoor.deleteGroup(ref);

      expect(await reader.removeConsumer(ref, 'one')).toBe(true);
    });

    it('loses nothing when it races with reads under the same name', async () => {
      const { reader, transport, ref, stream, publish, status } = await setUp(open);
      const remover = transport.reader();
      const names = Array.from({ length: 60 }, (_, index) => `e${index}`);
      const request = { group: ref.group, consumer: 'one', streams: [stream], count: 1, blockMs: 50 };
      const delivered: string[] = [];
      let reading = true;

      const removing = (async () => {
        while (reading) await remover.removeConsumer(ref, 'one');
      })();
      const publishing = (async () => {
        for (const name of names) await publish(name);
      })();
      while (delivered.length < names.length) {
        const read = await reader.read(request);
        delivered.push(...eventIds(read));
        // Every other one stays pending.
        if (delivered.length % 2 === 0)
          await reader.acknowledge(
            ref,
            read.map(({ id }) => id),
          );
      }
      await publishing;
      reading = false;
      await removing;

      expect(delivered).toEqual(names);
      expect((await status()).pending).toBe(names.length / 2);
    });
  });
}
