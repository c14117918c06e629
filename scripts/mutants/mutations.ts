import { accountingMutations } from './accounting.ts';
import { appendingMutations } from './appending.ts';
import { archivingMutations } from './archiving.ts';
import { clockMutations } from './clocks.ts';
import { consumingMutations } from './consuming.ts';
import { deadLetterMutations } from './dead-letters.ts';
import { leasingMutations } from './leasing.ts';
import { movingMutations } from './moving.ts';
import type { Mutation } from './mutation.ts';
import { observingMutations } from './observing.ts';
import { pruningMutations } from './pruning.ts';
import { publishingMutations } from './publishing.ts';
import { replayingMutations } from './replaying.ts';
import { retainingMutations } from './retaining.ts';

/** Every cure that can be taken out. */
export const mutations: readonly Mutation[] = [
  ...appendingMutations,
  ...publishingMutations,
  ...consumingMutations,
  ...leasingMutations,
  ...movingMutations,
  ...deadLetterMutations,
  ...archivingMutations,
  ...accountingMutations,
  ...observingMutations,
  ...retainingMutations,
  ...pruningMutations,
  ...replayingMutations,
  ...clockMutations,
];
