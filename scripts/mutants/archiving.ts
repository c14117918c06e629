import type { Mutation } from './mutation.ts';

const put = 'packages/archive/src/store/s3/put.ts';
const stores = ['packages/archive/src/store/s3/s3.int.test.ts'];
const writing = ['packages/archive/src/write-entries.int.test.ts'];
const reading = ['packages/archive/src/read-entries.int.test.ts'];

/** What keeps an archive from losing, mixing up and giving out what is damaged. */
export const archivingMutations: readonly Mutation[] = [
  {
    name: 'put-unconditional',
    harm: 'a put overwrites what another writer has put since it looked',
    edits: [
      { file: put, find: "return replace === true ? {} : { IfNoneMatch: '*' };", replace: 'return {};' },
    ],
    tests: stores,
    only: 'many writers',
  },
  {
    name: 'put-not-compared',
    harm: 'a put takes whatever is under its key for its own',
    edits: [
      {
        file: put,
        find: "if (found.sha256 !== undefined) return found.sha256 === content.sha256 ? 'same' : 'other';",
        replace: "return 'same';",
      },
    ],
    tests: stores,
    only: 'leaves other content alone',
  },
  {
    name: 'put-not-confirmed',
    harm: 'a put is over when it was sent, whatever the store keeps',
    edits: [
      {
        file: put,
        find: "if ((await compare(connection, key, content)) === 'same') return 'stored';",
        replace: "return 'stored';",
      },
    ],
    tests: stores,
    only: 'does not keep what it was given',
  },
  {
    name: 'body-not-resumed',
    harm: 'an answer that ends too early passes for the whole',
    edits: [
      {
        file: 'packages/archive/src/store/s3/get.ts',
        find: 'if (at >= end) return;',
        replace: 'if (at >= start) return;',
      },
    ],
    tests: stores,
    only: 'reads on where a body',
  },
  {
    name: 'content-not-checked',
    harm: 'content that is not what it was said to be is stored',
    edits: [
      {
        file: 'packages/archive/src/store/content.ts',
        find: "if (hash.digest('hex') !== content.sha256) {",
        replace: 'if (sizeBytes < 0) {',
      },
    ],
    tests: ['packages/archive/src/store/file/file.int.test.ts'],
    only: 'not what it is said to be',
  },
  {
    name: 'file-renamed-over',
    harm: 'of two writers of a file the later one wins',
    edits: [
      {
        file: 'packages/archive/src/store/file/write.ts',
        find: 'await (replace ? rename : link)(incoming, target);',
        replace: 'await rename(incoming, target);',
      },
    ],
    tests: ['packages/archive/src/store/file/file.int.test.ts'],
    only: 'many writers',
  },
  {
    name: 'other-entries-replaced',
    harm: 'other entries of the same range replace those that were there',
    edits: [
      {
        file: 'packages/archive/src/store-object.ts',
        find: '  if (!isSame) return undefined;\n',
        replace: "  if (!isSame && key === '') return undefined;\n",
      },
    ],
    tests: writing,
    only: 'never replaces',
  },
  {
    name: 'hours-not-kept',
    harm: 'an object goes on across the end of its hour',
    edits: [
      {
        file: 'packages/archive/src/write-entries.ts',
        find: '(builder.hour !== hourOf(entry.id) ||',
        replace: '(hourOf(entry.id) < 0 ||',
      },
    ],
    tests: writing,
    only: 'with each hour',
  },
  {
    name: 'seal-not-checked',
    harm: 'entries of a damaged object are given out until the damage shows',
    edits: [
      {
        file: 'packages/archive/src/archived-object.ts',
        find: 'if (isSealed(bytes))',
        replace: 'if (isSealed(bytes) || bytes.length > 0)',
      },
    ],
    tests: reading,
    only: 'gives nothing out of an object',
  },
  {
    name: 'gaps-not-noticed',
    harm: 'a missing object is passed over',
    edits: [
      {
        file: 'packages/archive/src/account.ts',
        find: 'if (floor !== null && !isJoined && compareEntryIds(beginning, from) >= 0) {',
        replace: 'if (floor !== null && !isJoined && compareEntryIds(beginning, from) < 0) {',
      },
    ],
    tests: reading,
    only: 'names what is missing',
  },
  {
    name: 'overlaps-not-merged',
    harm: 'objects are read one after the other, also where they overlap',
    edits: [
      {
        file: 'packages/archive/src/read-entries.ts',
        find: 'nextId === undefined || compareEntryIds(object.firstId, nextId) <= 0',
        replace: 'nextId === undefined',
      },
    ],
    tests: reading,
    only: 'that several',
  },
  {
    name: 'keys-without-zeros',
    harm: 'IDs stand in keys as they are, and keys do not list in their order',
    edits: [
      {
        file: 'packages/archive/src/layout/entry-id.ts',
        find: 'const SEQUENCE_DIGITS = 20;',
        replace: 'const SEQUENCE_DIGITS = 1;',
      },
    ],
    tests: ['packages/archive/src/layout/object-key.test.ts'],
  },
];
