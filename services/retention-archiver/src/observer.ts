import type { WrittenObject } from '@event-bus/archive';
import { durationHistogram, type Logger, meter } from '@event-bus/telemetry';
import { attributeNames as attribute, messagingSystem, metricNames } from '@event-bus/telemetry/names';

/** A part of expiry: one of its steps, and the stream if it is of one. */
export interface ExpiryPart {
  readonly step: 'plan' | 'rules' | 'delete' | 'leftovers';
  readonly stream?: string;
}

/** Told of what an archiver does. */
export interface ArchiverObserver {
  /** An object is verified and recorded. */
  archived(stream: string, object: WrittenObject): void;
  /** Objects that nobody had recorded are taken over, up to this entry. */
  adopted(stream: string, upTo: string): void;
  /** The stream lacks what is archived last, and is archived anew from `from`. */
  wentBack(stream: string, archivedTo: string, from: string): void;
  trimmed(stream: string, entries: number, upTo: string): void;
  expired(stream: string, objects: number, bytes: number): void;
  swept(stream: string, durationMs: number): void;
  /** Something went wrong; the next sweep goes on. */
  failed(stream: string, error: unknown): void;
  recovered(stream: string): void;
  /** A part of expiry went wrong; the next expiry tries it again. */
  expiryFailed(part: ExpiryPart, error: unknown): void;
  expiryRecovered(part: ExpiryPart): void;
}

/** Creates the observer of one archiver. */
export function createArchiverObserver(logger: Logger): ArchiverObserver {
  const instruments = meter();
  const counter = (name: string, description: string) => instruments.createCounter(name, { description });
  const objects = counter(metricNames.archivedObjects, 'Objects that were written and verified');
  const entries = counter(metricNames.archivedEntries, 'Entries in them');
  const size = instruments.createCounter(metricNames.archivedBytes, {
    unit: 'By',
    description: 'Their size',
  });
  const expired = counter(metricNames.expiredObjects, 'Objects that were deleted past their policy');
  const trimmed = counter(metricNames.trimmedEntries, 'Entries that were trimmed from a stream');
  const errors = counter(metricNames.retentionErrors, 'Sweeps and parts of expiry that failed');
  const duration = durationHistogram(metricNames.retentionSweepDuration, 'One sweep of one stream');
  const failing = new Map<string, string>();
  const of = (stream: string | undefined) => ({
    [attribute.messagingSystem]: messagingSystem,
    ...(stream === undefined ? {} : { [attribute.destinationName]: stream }),
  });

  function fail(what: Failing, error: unknown, message: string): void {
    const name = error instanceof Error ? error.name : 'unknown';
    errors.add(1, { ...of(what.stream), [attribute.errorType]: name });
    // Once, until it is over: an archive that is away fails every sweep of every stream.
    if (failing.get(keyOf(what)) !== name) logger.error({ ...what, err: error }, message);
    failing.set(keyOf(what), name);
  }

  function recover(what: Failing, message: string): void {
    if (failing.delete(keyOf(what))) logger.info(what, message);
  }

  return {
    archived(stream, { key, description, sizeBytes }) {
      objects.add(1, of(stream));
      entries.add(description.count, of(stream));
      size.add(sizeBytes, of(stream));
      const { count, firstId, lastId } = description;
      logger.info({ stream, key, count, firstId, lastId, sizeBytes }, 'archived');
    },
    adopted: (stream, upTo) =>
      logger.info(
        { stream, upTo },
        'objects that nobody had recorded are in the archive and count from now on',
      ),
    wentBack: (stream, archivedTo, from) =>
      logger.warn(
        { stream, archivedTo, from },
        'the stream went back in time behind what is archived: what stands there now is archived anew',
      ),
    trimmed(stream, count, upTo) {
      trimmed.add(count, of(stream));
      if (count > 0) logger.info({ stream, count, upTo }, 'trimmed');
    },
    expired(stream, count, bytes) {
      expired.add(count, of(stream));
      logger.info({ stream, objects: count, bytes }, 'deleted from the archive what is past its policy');
    },
    swept: (stream, durationMs) => duration.record(durationMs / 1_000, of(stream)),
    failed: (stream, error) => fail({ stream }, error, 'a sweep failed; the next one goes on'),
    recovered: (stream) => recover({ stream }, 'sweeps go through again'),
    expiryFailed: (part, error) => fail(part, error, 'a part of expiry failed; the next one tries it again'),
    expiryRecovered: (part) => recover(part, 'a part of expiry goes through again'),
  };
}

/** A sweep of a stream has no step. */
type Failing = Partial<ExpiryPart>;

function keyOf({ step, stream }: Failing): string {
  return `${step ?? 'sweep'} ${stream ?? ''}`;
}
