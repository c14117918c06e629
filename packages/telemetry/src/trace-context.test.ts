import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import {
  contextFromHeaders,
  currentTraceHeaders,
  isSampled,
  spanContextFromHeaders,
} from './trace-context.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('headers survive the way through a context', () => {
  const headers = { traceparent, tracestate: 'vendor=a,other=b' };

  expect(currentTraceHeaders(contextFromHeaders(headers))).toEqual(headers);
  expect(currentTraceHeaders(contextFromHeaders({ traceparent }))).toEqual({ traceparent });
});

test('the parent made from headers is remote', () => {
  expect(trace.getSpanContext(contextFromHeaders({ traceparent }))).toMatchObject({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    isRemote: true,
    traceFlags: 1,
  });
});

test('nothing travels where nothing is traced', () => {
  expect(currentTraceHeaders()).toEqual({});
  expect(currentTraceHeaders(ROOT_CONTEXT)).toEqual({});
});

test.each([
  ['absent', {}],
  ['empty', { traceparent: '', tracestate: '' }],
  ['without a trace', { traceparent: '00-00000000000000000000000000000000-b7ad6b7169203331-01' }],
  ['without a span', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01' }],
  ['of the forbidden version', { traceparent: `ff${traceparent.slice(2)}` }],
  ['of version 00 with more fields', { traceparent: `${traceparent}-00` }],
  ['in upper case', { traceparent: traceparent.toUpperCase() }],
  ['cut short', { traceparent: traceparent.slice(0, -1) }],
])('a traceparent that is %s makes no parent', (_, headers) => {
  expect(contextFromHeaders(headers)).toBe(ROOT_CONTEXT);
  expect(spanContextFromHeaders(headers)).toBeUndefined();
  expect(isSampled('traceparent' in headers ? headers.traceparent : undefined)).toBe(false);
});

test('a later version with more fields is read as far as it is known', () => {
  expect(spanContextFromHeaders({ traceparent: `01${traceparent.slice(2)}-00` })).toMatchObject({
    traceFlags: 1,
  });
});

test('the last bit of the flags says whether a trace is recorded', () => {
  expect(isSampled(traceparent)).toBe(true);
  expect(isSampled(traceparent.replace(/01$/, '03'))).toBe(true);
  expect(isSampled(traceparent.replace(/01$/, '00'))).toBe(false);
  expect(isSampled(traceparent.replace(/01$/, '02'))).toBe(false);
});
