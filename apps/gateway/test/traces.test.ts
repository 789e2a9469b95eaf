import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace';
import { type Estate, startEstate, until } from './estate.ts';
import { openSocket } from './socket-client.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

const exporter = new InMemorySpanExporter();
let estate: Estate;

beforeAll(async () => {
  estate = await startEstate({ overrides: { spanExporter: exporter } });
});
afterAll(() => estate.stop());
afterAll(removeTemporaryFolders);

const traceId = '0af7651916cd43dd8448eb211c80319c';

describe('traces through the gateway', () => {
  it('goes on in the trace of a caller, with a span for the operation and one for each subgraph that it asks', async () => {
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    await estate.ask('{ groups { id plan } }', { headers });
    const spans = exporter.getFinishedSpans().filter(span => span.spanContext().traceId === traceId);
    const operation = spans.find(({ name }) => name === 'query groups');
    expect(operation?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    for (const [name, subgraph] of Object.entries({ inventory: estate.inventory, backup: estate.backup })) {
      const asked = spans.find(span => span.name === `ask ${name}`);
      expect(asked?.parentSpanContext?.spanId).toBe(operation?.spanContext().spanId);
      expect(subgraph.traceparents.at(-1)).toBe(`00-${traceId}-${String(asked?.spanContext().spanId)}-01`);
    }
  });

  it('begins a trace for each operation that brings none, or nonsense, and tells its id with errors', async () => {
    const seen = new Set<string | undefined>();
    for (const headers of [{}, { traceparent: '00-x' }, { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }]) {
      const { body } = await estate.ask('{ crashed }', { headers });
      const [, id] = estate.inventory.traceparents.at(-1)?.split('-') ?? [];
      expect(id).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
      expect(body.errors?.[0]?.extensions['traceId']).toBe(id);
      seen.add(id);
    }
    expect(seen.size).toBe(3);
  });

  it('sends it with a subscription over WebSocket, each of a trace of its own', async () => {
    const socket = openSocket(estate.url, await estate.token());
    const before = estate.inventory.traceparents.length;
    const subscriptions = [
      socket.subscribe('subscription { ticks { n } }'),
      socket.subscribe('subscription { ticks { n } }'),
    ];
    await until('both are open', () => estate.ticker.open === 2);
    const sent = estate.inventory.traceparents.slice(before);
    for (const traceparent of sent) expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(new Set(sent.map(text => text?.split('-')[1])).size).toBe(2);
    for (const subscription of subscriptions) subscription.stop();
    await socket.close();
  });
});
