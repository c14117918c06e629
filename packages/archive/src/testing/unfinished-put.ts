// Begins to put an object, says so, and never ends.
import { loadConfig } from '@event-bus/config';
import { z } from 'zod';
import { archiveConfig } from '../config.ts';
import { openArchiveStore } from '../open-archive-store.ts';

const store = await openArchiveStore(loadConfig(z.object(archiveConfig), process.env));
const begun = Buffer.alloc(9 * 1024 * 1024, 'x');

await store.put('a/unfinished', {
  sizeBytes: 2 * begun.length,
  sha256: '0'.repeat(64),
  async *open() {
    yield begun;
    console.log('begun');
    await new Promise(() => setInterval(() => 'keeps the process running', 60_000));
  },
});
