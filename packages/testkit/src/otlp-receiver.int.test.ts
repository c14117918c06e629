import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { startOtlpReceiver } from './otlp-receiver.ts';

const request = {
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'publisher' } }] },
      scopeSpans: [
        {
          spans: [
            {
              name: 'publish user',
              traceId: '0af7651916cd43dd8448eb211c80319c',
              spanId: 'b7ad6b7169203331',
              parentSpanId: '00f067aa0ba902b7',
              kind: 4,
              attributes: [
                { key: 'count', value: { intValue: '2' } },
                { key: 'sampled', value: { boolValue: true } },
                {
                  key: 'types',
                  value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } },
                },
              ],
              links: [{ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b8' }],
              status: { code: 2, message: 'refused' },
            },
          ],
        },
      ],
    },
  ],
};

async function setup() {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${receiver.url}/v1/traces`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
  return { receiver, post };
}

test('keeps flat spans of plain and of compressed requests', async () => {
  const { receiver, post } = await setup();

  const plain = await post(JSON.stringify(request));
  const compressed = await post(new Uint8Array(gzipSync(JSON.stringify(request))), {
    'content-encoding': 'gzip',
  });

  expect([plain.status, compressed.status]).toEqual([200, 200]);
  const expected = {
    name: 'publish user',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    parentSpanId: '00f067aa0ba902b7',
    kind: 'producer',
    attributes: { count: 2, sampled: true, types: ['a', 'b'] },
    links: [{ traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b8', attributes: {} }],
    status: { code: 'error', message: 'refused' },
    resource: { 'service.name': 'publisher' },
  };
  expect(receiver.spans()).toEqual([expected, expected]);
});

test('refuses what it does not understand and keeps nothing of it', async () => {
  const { receiver, post } = await setup();

  expect((await post('{"resourceSpans": 1}')).status).toBe(400);
  expect((await post('binary', { 'content-type': 'application/x-protobuf' })).status).toBe(415);
  expect((await fetch(`${receiver.url}/v1/logs`, { method: 'POST' })).status).toBe(404);

  expect(receiver.spans()).toEqual([]);
});
