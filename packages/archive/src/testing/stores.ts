import type { OpenStore } from '../conformance/index.ts';
import { openFiles, openS3 } from './open-stores.ts';

/** Where an archive can be. */
export const STORES: readonly (readonly [string, OpenStore])[] = [
  ['in files', openFiles],
  ['on S3', openS3],
];
