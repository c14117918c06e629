import { derivedKeys, failurePrefix, placeKey } from '../keys.ts';
import type { GroupRef } from '../transport.ts';
import type { Connection } from './connection.ts';
import type { RunScript, ScriptName } from './scripts.ts';

/**
 * Runs a script on one place of one group: with the keys of the place and of the group's failures, and others behind
 * them; the group and the prefix of its fields in the failures are the first arguments.
 */
export type RunForGroup = <Reply>(
  ref: GroupRef,
  name: ScriptName,
  args: readonly (string | number)[],
  keys?: readonly string[],
) => Promise<Reply>;

/** Creates it on a connection. */
export function runForGroups(connection: Connection, run: RunScript): RunForGroup {
  return <Reply>(
    ref: GroupRef,
    name: ScriptName,
    args: readonly (string | number)[],
    keys: readonly string[] = [],
  ) => {
    const place = placeKey(ref);
    const failures = derivedKeys.failures(ref.stream, ref.group);
    return connection.call(
      (redis) =>
        run<Reply>(redis, name, [place, failures, ...keys], [ref.group, failurePrefix(ref), ...args]),
      { scope: { group: ref.group, streams: [place] } },
    );
  };
}
