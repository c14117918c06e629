import { platformCatalog } from '../platform-catalog.ts';
import { toEventSchema } from './json-schema.ts';
import { schemaFolder, writeSchemaFolder } from './schema-folder.ts';

const schemas = platformCatalog.definitions.map(toEventSchema);
writeSchemaFolder(schemaFolder, schemas);
process.stdout.write(`wrote the JSON Schemas of ${schemas.length} event versions\n`);
