/** When a stream handed out an entry ID, by the server's clock. */
export function entryTime(id: string): Date {
  return new Date(Number(id.split('-')[0]));
}
