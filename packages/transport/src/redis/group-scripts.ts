import { derivedKeys, failurePrefix, placeKey } from '../keys.ts';
import type { GroupRef } from '../transport.ts';
import type { Connection } from './connection.ts';
import type { RunScript, ScriptName } from './scripts.ts';

/** Runs scripts on one place of one group. */
export interface GroupScripts {
  /** With the key of the place, and the group as the first argument. */
  ofGroup<Reply>(ref: GroupRef, name: ScriptName, args: readonly (string | number)[]): Promise<Reply>;
  /**
   * For scripts that keep failures in step with the pending list: with their key as well, further keys behind it, and
   * the prefix of their fields as the second argument.
   */
  ofPending<Reply>(
    ref: GroupRef,
    name: ScriptName,
    args: readonly (string | number)[],
    keys?: readonly string[],
  ): Promise<Reply>;
}

/** Creates them on a connection. */
export function createGroupScripts(connection: Connection, run: RunScript): GroupScripts {
  const scopeOf = (ref: GroupRef) => ({ scope: { group: ref.group, streams: [placeKey(ref)] } });
  return {
    ofGroup: <Reply>(ref: GroupRef, name: ScriptName, args: readonly (string | number)[]) =>
      connection.call(
        (redis) => run<Reply>(redis, name, [placeKey(ref)], [ref.group, ...args]),
        scopeOf(ref),
      ),
    ofPending: <Reply>(
      ref: GroupRef,
      name: ScriptName,
      args: readonly (string | number)[],
      keys: readonly string[] = [],
    ) =>
      connection.call(
        (redis) =>
          run<Reply>(
            redis,
            name,
            [placeKey(ref), derivedKeys.failures(ref.stream, ref.group), ...keys],
            [ref.group, failurePrefix(ref), ...args],
          ),
        scopeOf(ref),
      ),
  };
}
