import { randomInt, randomUUID } from 'node:crypto';
import {
  type NewEvent,
  projectCreated,
  projectUpdated,
  userCreated,
  userDeleted,
  userEmailChanged,
  userRenamed,
} from '@event-bus/contracts';
import { type Trouble, troublesomeName } from './trouble.ts';

/** One transaction of the application: what it says, and what becomes of it. */
export interface Plan {
  /** Of different aggregates. */
  readonly events: readonly NewEvent[];
  /** `sql`: written without any code of the bus, by an INSERT with the six required columns. */
  readonly by: 'append' | 'sql';
  /** How long it stays open after its last statement. */
  readonly dawdleMs: number;
  readonly rollBack: boolean;
}

/** Thinks up transactions on users and projects. */
export interface Scenario {
  /** The next one, of at most so many events. */
  next(most: number): Plan;
  /** To be told what was committed: only that can change further. */
  committed(events: readonly NewEvent[]): void;
}

/** What an application does most. */
export interface ScenarioOptions {
  /** Most users that are created. */
  readonly users: number;
  /** Most projects that are created. */
  readonly projects: number;
  /** Share (0 to 1) of creations among the events, while there are to be more. */
  readonly created: number;
  /** Share of events that go to the same five users or projects, which so are often changed by several transactions at once. */
  readonly hot: number;
  /** Share of transactions that go on with another event. */
  readonly another: number;
  /** One in so many changes of projects fails each time, and one in so many the first time. */
  readonly brokenOneIn: number;
  readonly flakyOneIn: number;
}

const tenants = ['acme', 'globex', 'initech'];

/** A scenario of users and projects that are created and changed. */
export function createScenario(options: ScenarioOptions): Scenario {
  const wanted = { user: options.users, project: options.projects };
  const begun = { user: 0, project: 0 };
  const known: { user: string[]; project: string[] } = { user: [], project: [] };
  let updates = 0;

  /** Some updates of projects make trouble, each kind now and then. */
  function nextTrouble(): Trouble | undefined {
    updates += 1;
    if (updates % options.brokenOneIn === 20) return 'always';
    return updates % options.flakyOneIn === 10 ? 'once' : undefined;
  }

  /** One of all, or now and then one of the first five. */
  function pickFrom(ids: readonly string[]): string | undefined {
    return pick(chance(options.hot) ? ids.slice(0, 5) : ids);
  }

  function newEvent(): NewEvent {
    const topic = known.user.length > 0 && chance(0.35) ? 'project' : 'user';
    const id = begun[topic] < wanted[topic] && chance(options.created) ? undefined : pickFrom(known[topic]);
    if (id === undefined) begun[topic] += 1;
    const [owner = 'nobody'] = known.user;
    if (topic === 'user') return userEvent(id);
    return id === undefined ? projectStart(owner) : projectChange(id, owner, nextTrouble());
  }

  return {
    next(most) {
      const events = [newEvent()];
      while (events.length < most && chance(options.another)) {
        const more = newEvent();
        if (!events.some(({ aggregateId }) => aggregateId === more.aggregateId)) events.push(more);
      }
      return {
        events,
        by: events.length === 1 && chance(0.1) ? 'sql' : 'append',
        dawdleMs: chance(0.01) ? randomInt(100, 400) : 0,
        rollBack: chance(0.06),
      };
    },
    committed(events) {
      for (const { type, aggregateType, aggregateId } of events) {
        const ids = aggregateType === 'user' ? known.user : known.project;
        if (type.endsWith('.created')) ids.push(aggregateId);
        if (type.endsWith('.deleted')) ids.splice(ids.indexOf(aggregateId), 1);
      }
    },
  };
}

function userEvent(known: string | undefined): NewEvent {
  const aggregateId = known ?? `user-${randomUUID().slice(0, 13)}`;
  const facts = { aggregateId, tenantId: pick(tenants) ?? '', actorId: aggregateId };
  const name = `Name ${randomInt(1_000)}`;
  // The address names the user: that is how the ledger knows whom a mail was for.
  if (known === undefined)
    return userCreated({ ...facts, payload: { name, email: `${aggregateId}@example.com` } });
  if (chance(0.01)) return userDeleted({ ...facts, payload: {} });
  return chance(0.6)
    ? userRenamed({ ...facts, payload: { name } })
    : userEmailChanged({ ...facts, payload: { email: `${aggregateId}+${randomInt(1_000)}@example.com` } });
}

function projectStart(ownerId: string): NewEvent {
  const aggregateId = `project-${randomUUID().slice(0, 13)}`;
  const payload = { name: `Project ${randomInt(1_000)}`, ownerId };
  return projectCreated({ aggregateId, tenantId: pick(tenants) ?? '', actorId: ownerId, payload });
}

function projectChange(aggregateId: string, actorId: string, trouble: Trouble | undefined): NewEvent {
  const number = randomInt(1_000);
  const name = trouble === undefined ? `Project ${number}` : troublesomeName(trouble, number);
  const payload = trouble === undefined && chance(0.5) ? { status: 'active' as const } : { name };
  return projectUpdated({ aggregateId, tenantId: pick(tenants) ?? '', actorId, payload });
}

function pick<Item>(items: readonly Item[]): Item | undefined {
  return items.length === 0 ? undefined : items[randomInt(items.length)];
}

function chance(share: number): boolean {
  return randomInt(1_000_000) < share * 1_000_000;
}
