// Archives the events of the tests as an archiver does: from where the archive ends, until all are there. Prints what it
// has written.
import { loadConfig } from '@event-bus/config';
import { compareEntryIds } from '@event-bus/transport';
import { z } from 'zod';
import { archiveConfig } from '../config.ts';
import { findCoverage } from '../coverage.ts';
import { openArchiveStore } from '../open-archive-store.ts';
import { writeEntries } from '../write-entries.ts';
import { events, STREAM } from './entries.ts';

const [count = '', stepMs = '', maxObjectBytes = ''] = process.argv.slice(2);
const store = await openArchiveStore(loadConfig(z.object(archiveConfig), process.env));
const { upTo } = await findCoverage(store, { stream: STREAM, after: '0-0' });
const entries = events(Number(count), { stepMs: Number(stepMs) }).filter(
  ({ id }) => compareEntryIds(id, upTo) > 0,
);
for await (const { key } of writeEntries(store, {
  stream: STREAM,
  after: upTo,
  entries,
  maxObjectBytes: Number(maxObjectBytes),
})) {
  console.log(`written ${key}`);
}
console.log('complete');
await store.close();
