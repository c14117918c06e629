/** The value of an attribute. 64-bit integers arrive as numbers. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** Attributes by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** One span as the exporter sent it, flat. */
export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the root of a trace. */
  readonly parentSpanId: string;
  readonly kind: 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly attributes: Attributes;
  readonly links: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes: Attributes;
  }[];
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
  /** Attributes of the process that made it, such as `service.name`. */
  readonly resource: Attributes;
}

interface WireValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly bytesValue?: string;
  readonly arrayValue?: { readonly values?: readonly WireValue[] };
  readonly kvlistValue?: { readonly values?: readonly WireAttribute[] };
}

interface WireAttribute {
  readonly key: string;
  readonly value: WireValue;
}

interface WireSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind?: number;
  readonly attributes?: readonly WireAttribute[];
  readonly links?: readonly { traceId: string; spanId: string; attributes?: readonly WireAttribute[] }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface WireRequest {
  readonly resourceSpans: readonly {
    readonly resource?: { readonly attributes?: readonly WireAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

// The numbers of the protocol's enumerations are positions in these lists.
const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUSES = ['unset', 'ok', 'error'] as const;

function decodeValue(value: WireValue): AttributeValue {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(decodeValue);
  if (value.kvlistValue !== undefined) return decodeAttributes(value.kvlistValue.values);
  return value.stringValue ?? value.doubleValue ?? value.boolValue ?? value.bytesValue ?? null;
}

function decodeAttributes(attributes: readonly WireAttribute[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, decodeValue(value)]));
}

function flatten(span: WireSpan, resource: Attributes): ReceivedSpan {
  return {
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    kind: KINDS[span.kind ?? 0] ?? 'unspecified',
    attributes: decodeAttributes(span.attributes),
    links: (span.links ?? []).map(({ traceId, spanId, attributes }) => ({
      traceId,
      spanId,
      attributes: decodeAttributes(attributes),
    })),
    status: { code: STATUSES[span.status?.code ?? 0] ?? 'unset', message: span.status?.message ?? '' },
    resource,
  };
}

/** Decodes an ExportTraceServiceRequest in the JSON encoding of OTLP. Throws on anything else. */
export function decodeTraces(json: string): readonly ReceivedSpan[] {
  const request = JSON.parse(json) as WireRequest;
  return request.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const shared = decodeAttributes(resource?.attributes);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => flatten(span, shared)));
  });
}
