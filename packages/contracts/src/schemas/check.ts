import { parseArgs } from 'node:util';
import { platformCatalog } from '../platform-catalog.ts';
import { checkContracts } from './check-contracts.ts';
import { toEventSchema } from './json-schema.ts';
import { readPublishedSchemas, UnknownRevisionError } from './published-schemas.ts';
import { readSchemaFolder, schemaFolder } from './schema-folder.ts';

// Exit status: 0 compatible, 1 not compatible, 2 could not be checked.
const { values } = parseArgs({ options: { base: { type: 'string' } } });
try {
  const published = readPublishedSchemas(schemaFolder, values.base);
  const problems = checkContracts({
    published: published.schemas,
    folder: readSchemaFolder(schemaFolder),
    current: platformCatalog.definitions.map(toEventSchema),
  });
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  const verdict = problems.length === 0 ? 'compatible' : `${problems.length} problems`;
  process.stdout.write(`contracts compared with ${published.origin}: ${verdict}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof UnknownRevisionError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
