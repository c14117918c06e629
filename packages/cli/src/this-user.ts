import { userInfo } from 'node:os';

/** Who runs this, for the record. A container may run under a UID that no user of its machine has: then it is that. */
export function thisUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.geteuid?.()}`;
  }
}
