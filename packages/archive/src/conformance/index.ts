import { describe } from 'vitest';
import { testCapabilities } from './capabilities.ts';
import { testClosing } from './closing.ts';
import { testDeleting } from './deleting.ts';
import { testFaults } from './faults.ts';
import { testGetting } from './getting.ts';
import { testListing } from './listing.ts';
import { testPutting } from './putting.ts';
import type { OpenStore, StoreFeatures } from './setup.ts';

export type { OpenedStore, OpenStore, StoreFeatures } from './setup.ts';

/** Declares the tests that every store of an archive has to pass. */
export function testArchiveStore(name: string, open: OpenStore, features: StoreFeatures): void {
  describe(name, () => {
    testPutting(open);
    testGetting(open);
    testListing(open);
    testDeleting(open);
    testClosing(open);
    testCapabilities(open, features);
    if (features.network) testFaults(open);
  });
}
