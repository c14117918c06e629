/** The table that the measured handlers write to. */
export const createEffects = `
  create table effects (
    id bigint generated always as identity primary key,
    event_id uuid not null,
    aggregate_id text not null,
    note text not null
  )`;
