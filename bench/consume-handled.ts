import { queryNumber } from './fill/database.ts';
import { assertCount } from './harness/measure.ts';

const group = 'bench';

/** Throws unless so many events were handled, each once. */
export async function assertHandled(url: string, events: number): Promise<void> {
  const inbox = `select count(*) from inbox_events where consumer_group = '${group}' and outcome = 'done'`;
  assertCount('inbox rows', await queryNumber(url, inbox), events);
  assertCount('effects', await queryNumber(url, 'select count(*) from effects'), events);
  assertCount('events', await queryNumber(url, 'select count(distinct event_id) from effects'), events);
}
