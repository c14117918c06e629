import {
  type BusDatabase,
  type ControlOutcome,
  type ControlRequest,
  loadGroups,
  pauseGroup,
  resumeGroup,
} from '@event-bus/database';
import type { Kysely } from 'kysely';
import { UnknownGroupError } from './errors.ts';

const controls = { pause: pauseGroup, resume: resumeGroup } as const;

/**
 * Pauses a group, or resumes it, and records who did it and why. Its runners follow as soon as they ask, which they do
 * every few seconds.
 * @throws UnknownGroupError the group is not registered.
 */
export async function controlGroup(
  bus: Kysely<BusDatabase>,
  group: string,
  { action, ...request }: ControlRequest & { readonly action: keyof typeof controls },
): Promise<ControlOutcome> {
  const outcome = await controls[action](bus, group, request);
  if (outcome !== undefined) return outcome;
  throw new UnknownGroupError(
    group,
    (await loadGroups(bus)).map(({ name }) => name),
  );
}
