import { spawnService } from '@event-bus/testkit';

/** A line of the fixture's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

/** Starts the fixture service with this environment alone. */
export async function startFixture(env: Readonly<Record<string, string>> = {}, args: readonly string[] = []) {
  const service = await spawnService({ entry: new URL('./fixture-service.ts', import.meta.url), env, args });
  const logged = (message: string) => service.waitFor((output) => output.includes(`"msg":"${message}"`));
  const log = (): LogLine[] =>
    service
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);

  return {
    ...service,
    log,
    /** Waits until a line with this message has been written. */
    logged,
    /** The messages written so far, in order. */
    messages: () => log().map(({ msg }) => msg),
    /** Waits until the service listens and asks it for a path. */
    async get(path: string): Promise<{ status: number; text: string; json: () => unknown }> {
      await logged('listening');
      const port = Number(log().find(({ msg }) => msg === 'listening')?.port);
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      const text = await response.text();
      return { status: response.status, text, json: () => JSON.parse(text) as unknown };
    },
  };
}
