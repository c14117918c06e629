import type { Redis } from 'ioredis';

/** Sections of INFO as facts by their names; a name that stands in several has the value of the last. */
export async function readInfo(redis: Redis, sections: readonly string[]): Promise<Map<string, string>> {
  const texts = await Promise.all(sections.map((section) => redis.info(section)));
  return new Map(
    texts
      .join('\n')
      .matchAll(/^([\w-]+):(.*?)\r?$/gm)
      .map(([, name = '', value = '']) => [name, value]),
  );
}
