/** So many are dealt with by one script, which nobody else can interrupt. */
const PART_COUNT = 500;
/** No script is sent more than this, unless one item alone has more. In bytes, as far as they are ASCII. */
const PART_BYTES = 1024 * 1024;

/** Divides what is meant for scripts into parts that do not hold up the server, in its order. */
export function* partsOf<Item extends readonly (string | number)[]>(
  items: Iterable<Item>,
): Generator<Item[]> {
  let part: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = item.reduce<number>((sum, value) => sum + String(value).length, 0);
    if (part.length === PART_COUNT || (part.length > 0 && bytes + size > PART_BYTES)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
