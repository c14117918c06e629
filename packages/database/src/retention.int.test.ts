import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import {
  loadArchivedPositions,
  loadRetention,
  loadRetentions,
  recordArchived,
  recordTrimmed,
} from './retention.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase(inject('postgresUrl'));
});

afterEach(() => database.close());

const first = { entryId: '10-0', eventId: 'a' };
const second = { entryId: '20-0', eventId: 'b' };
const event = (position: number, eventId: string) => ({ position, eventId });

test('what is recorded of a stream is read as it was recorded, source by source', async () => {
  const { db } = database;
  await recordArchived(db, 's', {
    from: null,
    to: first,
    lastOf: new Map([
      ['crm', event(7, 'x')],
      ['shop', event(3, 'a')],
    ]),
  });
  await recordArchived(db, 's', { from: first, to: second, lastOf: new Map([['crm', event(9, 'b')]]) });
  await recordTrimmed(db, 's', { from: null, to: '10-0', lastOf: new Map([['shop', event(3, 'a')]]) });

  const found = await loadRetention(db, 's');

  expect(found).toMatchObject({ stream: 's', archived: second, trimmedTo: '10-0' });
  expect(found?.archivedAt).toBeInstanceOf(Date);
  expect(found?.sources).toEqual(
    new Map([
      ['crm', { archived: event(9, 'b'), trimmed: null }],
      ['shop', { archived: event(3, 'a'), trimmed: event(3, 'a') }],
    ]),
  );
  expect(await loadRetentions(db)).toEqual([found]);
  expect(await loadRetention(db, 'other')).toBeUndefined();
  expect(await loadArchivedPositions(db, 'crm')).toEqual(new Map([['s', event(9, 'b')]]));
  expect(await loadArchivedPositions(db, 'nobody')).toEqual(new Map());
});

test('of two who record the same step, or go from what no longer holds, one is refused and changes nothing', async () => {
  const { db } = database;
  const archive = { from: null, to: first, lastOf: new Map([['crm', event(7, 'x')]]) };
  const trim = { from: null, to: '10-0', lastOf: new Map() };

  const archived = await Promise.all([1, 2].map(() => recordArchived(db, 's', archive)));
  expect(archived.filter(Boolean)).toEqual([true]);
  const trimmed = await Promise.all([1, 2].map(() => recordTrimmed(db, 's', trim)));
  expect(trimmed.filter(Boolean)).toEqual([true]);
  const stale = { ...archive, to: second, lastOf: new Map([['crm', event(9, 'b')]]) };
  expect(await recordArchived(db, 's', stale)).toBe(false);
  // The same ID, but of another event.
  expect(await recordArchived(db, 's', { ...stale, from: { entryId: '10-0', eventId: 'z' } })).toBe(false);
  expect(await recordTrimmed(db, 's', { from: '9-0', to: '20-0', lastOf: new Map() })).toBe(false);

  expect(await loadRetention(db, 's')).toMatchObject({ archived: first, trimmedTo: '10-0' });
  expect(await loadArchivedPositions(db, 'crm')).toEqual(new Map([['s', event(7, 'x')]]));
});

test('the archive may be recorded to begin anew further back', async () => {
  const { db } = database;
  await recordArchived(db, 's', { from: null, to: second, lastOf: new Map() });

  expect(await recordArchived(db, 's', { from: second, to: first, lastOf: new Map() })).toBe(true);

  expect(await loadRetention(db, 's')).toMatchObject({ archived: first });
});
