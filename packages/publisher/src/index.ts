export type { Publisher, PublisherOptions } from './publisher.ts';
export { createPublisher } from './publisher.ts';
export { type StreamSurvey, surveyStream } from './reconcile.ts';
export type { PublisherSettings } from './settings.ts';
export { defaultSettings } from './settings.ts';
