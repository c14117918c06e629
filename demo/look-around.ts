import type { Stack } from './stack.ts';

/** What to type into another terminal to have the dead letters of groups handled after all. */
export function howToRedrive({ mendedFile, environment }: Stack, groups: readonly string[]): string {
  const env = Object.entries(environment).map(([name, value]) => `${name}='${value}'`);
  const commands = groups.map((group) => `  ${env.join(' ')} npm run bus -- dlq redrive --group ${group}`);
  return ['Mend the project index, and have them handled:', `  touch '${mendedFile}'`, ...commands].join(
    '\n',
  );
}

/** What to type into another terminal, in the folder of the repository, while everything runs. */
export function howToLookAround({ url, redis, mailFile, environment, workers }: Stack): string {
  const exports = Object.entries(environment).map(([name, value]) => `  export ${name}='${value}'`);
  const processes = workers().map(({ name, pid }) => `  ${String(pid).padEnd(8)}${name}`);
  return `
Everything goes on running until you press Ctrl-C; then its data is thrown away.

The database and Redis:
  psql '${url}'
  redis-cli -p ${redis.port} xinfo groups events:user
  tail -f ${mailFile}

An event of yours, from psql; it is handled before you look:
  insert into outbox_events (aggregate_type, aggregate_id, event_type, tenant_id, actor_id, payload)
  values ('user', 'user-of-mine', 'user.created', 'acme', 'me', '{"email": "me@example.com"}');
  select * from user_directory where user_id = 'user-of-mine';

The processes; kill one (kill -9), and the other of its kind takes over:
${processes.join('\n')}

The command line of the bus:
${exports.join('\n')}
  npm run bus -- streams
  npm run bus -- groups
  npm run bus -- tail user
  npm run bus -- outbox status
  npm run bus -- dlq groups
  npm run bus -- dlq list
  npm run bus -- audit`;
}
