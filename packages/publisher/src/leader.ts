import type { LeadState } from '@event-bus/outbox/log';
import type { Logger } from '@event-bus/telemetry';
import type { StreamWriter } from '@event-bus/transport';
import type { Pool } from 'pg';
import type { PublisherObserver } from './observer.ts';
import type { Parking } from './parking.ts';
import type { PublisherSettings } from './settings.ts';
import type { StreamBook } from './stream-book.ts';

/** What the parts of a leading publisher share. */
export interface Leader {
  readonly epoch: LeadState['epoch'];
  readonly pool: Pool;
  readonly writer: StreamWriter;
  readonly settings: PublisherSettings;
  readonly logger: Logger;
  readonly observer: PublisherObserver;
  readonly streams: StreamBook;
  readonly parking: Parking;
  /** Aborts when the lead is lost or must be given up at once. */
  readonly lost: AbortSignal;
}
