import { z } from 'zod';

// As the publisher writes it, which nearly every event has. What it does not accept is looked at closely.
const usual = /^\d{4}-\d{2}-(\d{2})T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z$/;
const isoInstant = z.iso.datetime({ offset: true });

/**
 * Reads a timestamp as ISO 8601 or PostgreSQL writes it (`2026-11-23 10:00:00.123456+00`), to the millisecond.
 * Undefined for anything else: days that do not exist, and times without an offset, which nobody can place.
 */
export function parseTimestamp(text: string): Date | undefined {
  const day = usual.exec(text)?.[1];
  if (day !== undefined) {
    const instant = new Date(text);
    // Date turns a day that does not exist into another.
    if (instant.getUTCDate() === Number(day)) return instant;
  }
  const iso = text
    .replace(/^(\d{4}-\d{2}-\d{2}) /, '$1T')
    .replace(/([+-]\d{2})(\d{2})?$/, (_, hours, minutes) => {
      return `${String(hours)}:${typeof minutes === 'string' ? minutes : '00'}`;
    });
  if (!isoInstant.safeParse(iso).success) return undefined;
  const instant = new Date(iso);
  return Number.isNaN(instant.getTime()) ? undefined : instant;
}
