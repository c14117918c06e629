/** One fault: where it is (`payload.items[0].sku`, `tenantId`, `event_id`) and what is wrong there. */
export interface ContractIssue {
  readonly path: string;
  readonly message: string;
}

/** Ids of the entry that could not be decoded, as far as the entry states them. */
export interface UndecodableEventIds {
  readonly eventId?: string | undefined;
  readonly eventType?: string | undefined;
  readonly eventVersion?: string | undefined;
}

const issuesInMessage = 5;

/** A topic, an event or a catalogue is declared wrongly: a fault of the program, found when it starts. */
export class ContractDefinitionError extends Error {
  override readonly name = 'ContractDefinitionError';
  readonly code = 'contract_definition';
}

/**
 * An event that must not be appended. `issues` names every fault, the message the first few. It is thrown
 * before anything is written: the caller's transaction is untouched and can go on.
 */
export class ContractViolationError extends Error {
  override readonly name = 'ContractViolationError';
  readonly code = 'contract_violation';
  readonly eventType: string;
  readonly issues: readonly ContractIssue[];

  constructor(eventType: string, issues: readonly ContractIssue[], options?: ErrorOptions) {
    super(`${eventType}: ${describeIssues(issues)}`, options);
    this.eventType = eventType;
    this.issues = issues;
  }
}

/**
 * An entry that this program cannot turn into an event. Trying again cannot mend it: the same program fails on
 * the same entry in the same way. A newer program may well decode it, so the entry must be kept.
 */
export abstract class UndecodableEventError extends Error {
  abstract readonly code:
    | 'malformed_entry'
    | 'unknown_event_type'
    | 'unknown_event_version'
    | 'malformed_payload'
    | 'upcast_failed'
    | 'payload_invalid';
  readonly eventId: string | undefined;
  readonly eventType: string | undefined;
  readonly eventVersion: string | undefined;

  constructor(ids: UndecodableEventIds, problem: string, options?: ErrorOptions) {
    super(`${describeIds(ids)}: ${problem}`, options);
    this.eventId = ids.eventId;
    this.eventType = ids.eventType;
    this.eventVersion = ids.eventVersion;
  }
}

/** The entry's fields are not those of an event: something other than a publisher wrote it, or wrote it wrongly. */
export class MalformedEntryError extends UndecodableEventError {
  override readonly name = 'MalformedEntryError';
  readonly code = 'malformed_entry';
  readonly issues: readonly ContractIssue[];

  constructor(ids: UndecodableEventIds, issues: readonly ContractIssue[]) {
    super(ids, `not an event entry: ${describeIssues(issues)}`);
    this.issues = issues;
  }
}

/** No definition of this event type is in the catalogue, in any version. */
export class UnknownEventTypeError extends UndecodableEventError {
  override readonly name = 'UnknownEventTypeError';
  readonly code = 'unknown_event_type';

  constructor(ids: UndecodableEventIds) {
    super(
      ids,
      'this event type is not in the catalogue; deploy this consumer with the contracts that define it',
    );
  }
}

/** The type is known, this version is not: it is newer than all known ones, or too old to be upcast. */
export class UnknownEventVersionError extends UndecodableEventError {
  override readonly name = 'UnknownEventVersionError';
  readonly code = 'unknown_event_version';
  readonly newestKnownVersion: number;

  constructor(ids: UndecodableEventIds, newestKnownVersion: number) {
    super(
      ids,
      Number(ids.eventVersion) > newestKnownVersion
        ? `this version is newer than the newest known one (${newestKnownVersion}); deploy this consumer with the newer contracts`
        : `no upcast leads from this version to the newest known one (${newestKnownVersion})`,
    );
    this.newestKnownVersion = newestKnownVersion;
  }
}

/** The payload is not JSON text. */
export class MalformedPayloadError extends UndecodableEventError {
  override readonly name = 'MalformedPayloadError';
  readonly code = 'malformed_payload';

  // The parser's own message quotes the payload, which may be personal data: it stays in `cause`.
  constructor(ids: UndecodableEventIds, options: { readonly cause: unknown }) {
    super(ids, 'the payload is not JSON text', options);
  }
}

/** An upcast threw; `cause` is what it threw, `fromVersion` the version it was to lift. */
export class UpcastError extends UndecodableEventError {
  override readonly name = 'UpcastError';
  readonly code = 'upcast_failed';
  readonly fromVersion: number;

  constructor(
    ids: UndecodableEventIds,
    fromVersion: number,
    problem: string,
    options: { readonly cause: unknown },
  ) {
    super(ids, `the upcast from version ${fromVersion} to ${fromVersion + 1} threw: ${problem}`, options);
    this.fromVersion = fromVersion;
  }
}

/** The payload, lifted to the newest known version, does not fit that version's schema. */
export class PayloadInvalidError extends UndecodableEventError {
  override readonly name = 'PayloadInvalidError';
  readonly code = 'payload_invalid';
  readonly issues: readonly ContractIssue[];

  constructor(ids: UndecodableEventIds, issues: readonly ContractIssue[], options?: ErrorOptions) {
    super(ids, describeIssues(issues), options);
    this.issues = issues;
  }
}

function describeIssues(issues: readonly ContractIssue[]): string {
  const shown = issues.slice(0, issuesInMessage).map((issue) => `${issue.path}: ${issue.message}`);
  const rest = issues.length - shown.length;
  return rest > 0 ? `${shown.join('; ')}; and ${rest} more` : shown.join('; ');
}

function describeIds({ eventId, eventType, eventVersion }: UndecodableEventIds): string {
  const type = eventType ? `${eventType}${eventVersion ? ` v${eventVersion}` : ''}` : 'entry of unknown type';
  return `${type} (event ${eventId || 'without id'})`;
}
