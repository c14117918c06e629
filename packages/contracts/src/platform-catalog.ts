import { createCatalog, type EventCatalog } from './catalog.ts';
import { projectCreated, projectUpdated } from './project.ts';
import { userCreated, userCreatedV1, userDeleted, userEmailChanged, userRenamed } from './user.ts';

/** Every event of the platform in every version that was ever released. A definition never leaves this list. */
export const platformCatalog: EventCatalog = createCatalog([
  userCreatedV1,
  userCreated,
  userRenamed,
  userEmailChanged,
  userDeleted,
  projectCreated,
  projectUpdated,
]);
