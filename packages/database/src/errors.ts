/** The database lacks migrations that this version needs. */
export class SchemaOutdatedError extends Error {
  override readonly name = 'SchemaOutdatedError';
  readonly code = 'schema_outdated';
  readonly missing: readonly string[];

  constructor(missing: readonly string[]) {
    super(`the database lacks the migrations ${missing.join(', ')}: run \`bus migrate\` first`);
    this.missing = missing;
  }
}

/** The database was migrated by a newer version of the bus. */
export class SchemaNewerError extends Error {
  override readonly name = 'SchemaNewerError';
  readonly code = 'schema_newer';
  readonly unknown: readonly string[];

  constructor(unknown: readonly string[]) {
    super(
      `the database has the migrations ${unknown.join(', ')}, which this version does not know: deploy the version that made them, or a newer one`,
    );
    this.unknown = unknown;
  }
}

/** The bus's tables are not, would not be, or are not looked for in the schema `public`, which its functions name. */
export class SchemaMisplacedError extends Error {
  override readonly name = 'SchemaMisplacedError';
  readonly code = 'schema_misplaced';

  constructor(problem: string, { role, database }: { readonly role: string; readonly database: string }) {
    super(
      `${problem}: let search_path begin with public, as \`alter role ${role} in database ${database} set search_path = public\` does`,
    );
  }
}

/** A migration failed; the database is as it was before. */
export class MigrationFailedError extends Error {
  override readonly name = 'MigrationFailedError';
  readonly code = 'migration_failed';

  constructor(migration: string | undefined, options: { readonly cause: unknown }) {
    const reason = options.cause instanceof Error ? options.cause.message : String(options.cause);
    super(`${migration === undefined ? 'migrating' : `migration ${migration}`} failed: ${reason}`, options);
  }
}

/** A topic is already registered with another number of partitions. */
export class TopicPartitionsError extends Error {
  override readonly name = 'TopicPartitionsError';
  readonly code = 'topic_partitions';

  constructor(topic: { readonly name: string; readonly partitions: number }, registered: number | undefined) {
    super(
      `topic ${topic.name} is defined with ${topic.partitions} partitions but registered with ${registered}: partitions of a live topic are not changed by a deployment, since its aggregates would change streams`,
    );
  }
}

/** The windows of the bus do not chain: one of its logs would forget what another may still bring. */
export class WindowsBrokenError extends Error {
  override readonly name = 'WindowsBrokenError';
  readonly code = 'windows_broken';
}
