export { createCatalog, type EventCatalog } from './catalog.ts';
export {
  type AnyEventDefinition,
  defineEvent,
  type EventDefinition,
  type EventOptions,
  isEventOf,
  type NewEventInput,
  type Upcast,
} from './define-event.ts';
export {
  type DurationText,
  defineTopic,
  type Topic,
  type TopicOptions,
  type TopicRetention,
} from './define-topic.ts';
export { type EventEntry, entryFields, parseEntry } from './entry.ts';
export {
  ContractDefinitionError,
  type ContractIssue,
  ContractViolationError,
  MalformedEntryError,
  MalformedPayloadError,
  PayloadInvalidError,
  UndecodableEventError,
  type UndecodableEventIds,
  UnknownEventTypeError,
  UnknownEventVersionError,
  UpcastError,
} from './errors.ts';
export type { EventOf, NewEvent, ReceivedEvent } from './event.ts';
export { platformCatalog } from './platform-catalog.ts';
export { project, projectCreated, projectUpdated } from './project.ts';
export { user, userCreated, userCreatedV1, userDeleted, userEmailChanged, userRenamed } from './user.ts';
export {
  defaultMaxPayloadBytes,
  type EncodedEvent,
  type ValidateOptions,
  validateNewEvent,
} from './validate.ts';
