import { z } from 'zod';
import { defineEvent } from './define-event.ts';
import { defineTopic } from './define-topic.ts';

/** What users work on together, one aggregate each. */
export const project = defineTopic('project', { partitions: 1, retention: { hot: '7d', cold: '90d' } });

/** A project was set up. */
export const projectCreated = defineEvent(project, 'project.created', {
  version: 1,
  payload: z.object({ name: z.string().min(1), ownerId: z.string().min(1) }),
});

/** A project changed; only the fields that changed are there. */
export const projectUpdated = defineEvent(project, 'project.updated', {
  version: 1,
  payload: z.object({
    name: z.string().min(1).optional(),
    status: z.enum(['active', 'archived']).optional(),
  }),
});
