import { ENTRY_FIELDS, type StreamEntry } from '@event-bus/transport';
import { ATTRIBUTES, printable, substituteFor } from './attributes.ts';

// An entry as one line of JSON: a CloudEvent 1.0 whose attributes are the fields, and whose data is the payload.
//
// All fields come back as they were, to the byte:
//
//   payload          in the line              datacontenttype    rawfields.payload
//   ''               no data                  -                  -
//   JSON, one line   data, as it is           application/json   -
//   JSON, lines      data, lines joined       application/json   as it is
//   anything else    data, as a JSON string   text/plain         -
//   missing          no data                  -                  null
//
// The payload is not parsed and written again: numbers, repeated names and white space would change. An empty field is
// an absent attribute. Whatever attributes cannot say (a field that is missing, one that is too many, a time that is none)
// stands in `rawfields`, a JSON object of field names and values, null for a missing field; it wins over the
// attributes. So every entry has the same form, and the usual ones have no `rawfields`.
//
// Data comes last: behind the first `,"data":` and before the last `}` of a line is the payload. Inside a string that
// text cannot occur, since its quotes would be escaped.

const DATA = ',"data":';
const PLAIN = 'text/plain';

/** Fields that attributes do not say exactly; null for a missing one. */
type RawFields = Record<string, string | null>;

/** The entry as one line, without a line end. */
export function toCloudEvent(stream: string, { id, fields }: StreamEntry): string {
  const raw: [string, string | null][] = [];
  let line = '{"specversion":"1.0"';
  for (const { field, attribute, carries } of ATTRIBUTES) {
    const value = own(fields, field);
    const substitute = substituteFor(attribute, stream, id);
    const isSaid = value === '' ? substitute === undefined : value !== undefined && carries(value);
    if (!isSaid) raw.push([field, value ?? null]);
    const said = isSaid && value !== '' ? value : substitute;
    if (said !== undefined) line += `,"${attribute}":${JSON.stringify(said)}`;
  }
  const payload = own(fields, 'payload');
  const { type, data, exact } = dataOf(payload);
  if (!exact) raw.push(['payload', payload ?? null]);
  for (const [name, value] of Object.entries(fields)) if (!isEntryField(name)) raw.push([name, value]);

  line += `,"entryid":${JSON.stringify(id)}`;
  if (raw.length > 0)
    line += `,"rawfields":${JSON.stringify(printable(JSON.stringify(Object.fromEntries(raw))))}`;
  if (type !== undefined) line += `,"datacontenttype":"${type}"${DATA}${data}`;
  return `${line}}`;
}

function dataOf(payload: string | undefined): {
  readonly type: string | undefined;
  readonly data: string;
  /** Whether the payload can be had from the data. */
  readonly exact: boolean;
} {
  if (payload === undefined || payload === '') return { type: undefined, data: '', exact: payload === '' };
  if (!payload.isWellFormed() || !isJson(payload))
    return { type: PLAIN, data: JSON.stringify(payload), exact: true };
  // Between the tokens of JSON a line end is a space; within them there is none.
  const data = payload.replaceAll(/[\r\n]/g, ' ');
  return { type: 'application/json', data, exact: data === payload };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const NAMES: ReadonlySet<string> = new Set(ENTRY_FIELDS);

function isEntryField(name: string): boolean {
  return NAMES.has(name);
}

function own(record: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/**
 * The entry of a line.
 * @throws SyntaxError it is no line that {@link toCloudEvent} has written.
 */
export function fromCloudEvent(line: string): StreamEntry {
  const dataAt = line.indexOf(DATA);
  const attributes = parseObject(dataAt === -1 ? line : `${line.slice(0, dataAt)}}`);
  const { entryid: id, rawfields } = attributes;
  if (typeof id !== 'string') throw new SyntaxError('the line has no entryid');
  const raw: RawFields = typeof rawfields === 'string' ? (parseObject(rawfields) as RawFields) : {};

  const data = dataAt === -1 ? '' : line.slice(dataAt + DATA.length, -1);
  const payload = attributes.datacontenttype === PLAIN ? (JSON.parse(data) as string) : data;
  const said = new Map(
    ATTRIBUTES.map(({ field, attribute }) => [field as string, attributes[attribute] ?? '']),
  ).set('payload', payload);
  const fields: [string, string][] = [];
  for (const name of [...ENTRY_FIELDS, ...Object.keys(raw).filter((name) => !isEntryField(name))]) {
    const value = Object.hasOwn(raw, name) ? raw[name] : said.get(name);
    if (typeof value === 'string') fields.push([name, value]);
  }
  return { id, fields: Object.fromEntries(fields) };
}

function parseObject(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new SyntaxError('the line is no JSON object');
  return value as Readonly<Record<string, unknown>>;
}
