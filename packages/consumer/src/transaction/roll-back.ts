import type { Gate } from './gate.ts';
import type { Session } from './session.ts';
import { within } from './within.ts';

const graceMs = 250;
const patienceMs = 5_000;

/**
 * Rolls back and gives the connection back. What the handlers left running is first waited for, then cancelled:
 * behind a ROLLBACK it would run outside of the transaction. `false` if the server did not answer even then, and the
 * connection was closed.
 */
export async function rollBack(session: Session, gates: readonly Gate[]): Promise<boolean> {
  for (const gate of gates) gate.close('its transaction was rolled back');
  const settled = () => Promise.all(gates.map((gate) => gate.settled()));
  if ((await within(settled(), graceMs)).kind === 'late') {
    await session.cancel();
    if ((await within(settled(), patienceMs)).kind === 'late') {
      session.discard();
      return false;
    }
  }
  return endTransaction(session);
}

async function endTransaction(session: Session): Promise<boolean> {
  if (session.isLost()) {
    session.release();
    return true;
  }
  try {
    const waited = await within(session.control('rollback'), patienceMs);
    if (waited.kind === 'fulfilled') session.release();
    else session.discard();
    return waited.kind === 'fulfilled';
  } catch {
    // The connection broke, and the transaction with it.
    session.discard();
    return true;
  }
}
