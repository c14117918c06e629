import { describe } from 'vitest';
import { testAcknowledging } from './acknowledging.ts';
import { testAppending } from './appending.ts';
import { testClaiming } from './claiming.ts';
import { testClosing } from './closing.ts';
import { testDeadLettering } from './dead-lettering.ts';
import { testFailures } from './failures.ts';
import { testGivingUp } from './giving-up.ts';
import { testGroups } from './groups.ts';
import { testHolding } from './holding.ts';
import { testInjecting } from './injecting.ts';
import { testInspecting } from './inspecting.ts';
import { testObserving } from './observing.ts';
import { testReading } from './reading.ts';
import { testRemovingConsumers } from './removing-consumers.ts';
import { testReplaying } from './replaying.ts';
import { testRestoring } from './restoring.ts';
import type { OpenTransport, TransportFeatures } from './setup.ts';
import { testTrimming } from './trimming.ts';

export type { Backdoor, OpenedTransport, OpenTransport, TransportFeatures } from './setup.ts';

/**
 * Declares the tests that every transport has to pass. They use streams of their own, but flush the server: give
 * them one that nobody else uses.
 */
export function testTransport(
  name: string,
  open: OpenTransport,
  features: TransportFeatures = { lag: true },
): void {
  describe(name, () => {
    testAppending(open);
    testInspecting(open);
    testGroups(open);
    testReading(open);
    testInjecting(open);
    testReplaying(open);
    testClaiming(open);
    testHolding(open);
    testAcknowledging(open);
    testFailures(open);
    testGivingUp(open);
    testDeadLettering(open);
    testRestoring(open);
    testTrimming(open);
    testRemovingConsumers(open);
    testClosing(open);
    testObserving(open, features);
  });
}
