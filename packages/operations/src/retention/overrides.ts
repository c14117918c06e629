import { bytes, duration, type Fragment, fragment } from '@event-bus/config';
import type { TopicRetention } from '@event-bus/contracts';
import type { RetentionOverrides } from './policy.ts';

const SETTINGS: ReadonlyMap<string, [key: 'hotMs' | 'coldMs' | 'hotBytes', value: Fragment<number>]> =
  new Map([
    ['hot', ['hotMs', duration({ minMs: 1 })]],
    ['cold', ['coldMs', duration({ minMs: 1 })]],
    ['hotBytes', ['hotBytes', bytes({ min: 1 })]],
  ]);

/**
 * What operators set otherwise than the contracts: `<topic>.<hot|cold|hotBytes>=<value>`, separated by commas, `*` for
 * every topic that is not named.
 */
function overrides(): Fragment<RetentionOverrides> {
  return fragment<RetentionOverrides>({
    example: '*.hot=3d,user.cold=30d,user.hotBytes=2GiB',
    parse: (text) => {
      const value = new Map<string, Partial<TopicRetention>>();
      const problems: string[] = [];
      for (const [index, assignment] of text.split(',').entries()) {
        const [, topic = '', name = '', given = ''] =
          /^\s*([^.=\s]+)\.(\w+)\s*=\s*(.*?)\s*$/.exec(assignment) ?? [];
        const [key, schema] = SETTINGS.get(name) ?? [];
        const parsed = schema?.safeParse(given);
        if (key === undefined || parsed === undefined) {
          problems.push(`part ${index + 1} is not <topic>.<hot, cold or hotBytes>=<value>`);
        } else if (!parsed.success) {
          problems.push(`part ${index + 1} ${parsed.error.issues[0]?.message}`);
        } else {
          value.set(topic, { ...value.get(topic), [key]: parsed.data });
        }
      }
      return problems.length > 0 ? { problem: problems.join('; ') } : { value };
    },
  });
}

/** What a process takes from the environment to know how long events are kept where. */
export const retentionConfig = {
  /** Over what the contracts state. */
  RETENTION: overrides().optional(),
};
