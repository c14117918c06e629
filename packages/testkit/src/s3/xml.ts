import { S3Refusal } from './protocol.ts';

/** An element: its name, and its text or its children. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** What becomes XML: text, an object whose properties are elements (one each for the items of an array), or nothing. */
export type XmlValue =
  | string
  | number
  | boolean
  | undefined
  | readonly XmlValue[]
  | { readonly [name: string]: XmlValue };

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function toEntities(text: string): string {
  return text.replaceAll(/[<>&"\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function fromEntities(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      return ENTITIES[name ?? ''] ?? whole;
    },
  );
}

function inner(value: XmlValue): string {
  if (typeof value !== 'object') return toEntities(String(value ?? ''));
  return Object.entries(value)
    .flatMap(([name, child]) =>
      (Array.isArray(child) ? child : [child]).map((item: XmlValue) => element(name, item)),
    )
    .join('');
}

function element(name: string, value: XmlValue): string {
  return value === undefined ? '' : `<${name}>${inner(value)}</${name}>`;
}

/** A document of one element. */
export function toXml(name: string, value: XmlValue): Buffer {
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${element(name, value)}`);
}

/** Reads a document as S3 clients write them: elements and text, attributes are passed over. */
export function parseXml(document: Buffer, expected: string): XmlElement {
  const root = { name: '', text: '', children: [] as XmlElement[] };
  const open: { name: string; text: string; children: XmlElement[] }[] = [root];
  const pattern = /<\?[^>]*\?>|<(\/?)([\w:.-]+)[^>]*?(\/?)>|([^<]+)/gy;
  const text = document.toString('utf8');
  let read = 0;
  for (const [whole, closing, name = '', selfClosing, content] of text.matchAll(pattern)) {
    read += whole.length;
    const current = open.at(-1) ?? root;
    if (content !== undefined) current.text += fromEntities(content);
    else if (closing === '/') {
      if (open.length < 2 || current.name !== name) throw malformed();
      open.pop();
    } else if (name !== '') {
      const child = { name, text: '', children: [] };
      current.children.push(child);
      if (selfClosing !== '/') open.push(child);
    }
  }
  const [document_] = root.children;
  if (read !== text.length || open.length !== 1 || document_?.name !== expected) throw malformed();
  return document_;
}

/** The refusal of a document that is not what the operation takes. */
export function malformed(): S3Refusal {
  return new S3Refusal(400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate.');
}

/** The children of this name. */
export function childrenOf(parent: XmlElement | undefined, name: string): readonly XmlElement[] {
  return (parent?.children ?? []).filter((child) => child.name === name);
}

/** The text of the first child of this name. */
export function textOf(parent: XmlElement | undefined, name: string): string | undefined {
  return childrenOf(parent, name)[0]?.text;
}
