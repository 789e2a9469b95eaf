import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { InMemorySpanExporter, type ReadableSpan } from '@opentelemetry/sdk-trace';
import { createLogger } from './logger.ts';
import { type RunnerDefinition, startRunner } from './runner.ts';
import {
  currentOrNewTrace,
  currentTrace,
  eventTracing,
  inSpan,
  openTracing,
  opaque,
  receivedTrace,
  runTraced,
  traceIdOf,
  traceStatements,
  traceWithin,
  untraced,
} from './tracing.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
const parent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;

async function recording() {
  const exporter = new InMemorySpanExporter();
  const tracing = await openTracing('test', { exporter }, logger);
  return { tracing, spans: () => exporter.getFinishedSpans() };
}

const placeOf = (span: ReadableSpan | undefined) => ({
  traceId: span?.spanContext().traceId,
  parent: span?.parentSpanContext?.spanId,
});
const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;

/** Two subjects with one step each; the first goes on in a trace, the second has none. */
function stepping(ended: string[]): RunnerDefinition<string, string, string, string> {
  return {
    name: 'walker',
    subjects: async () => ['caused', 'own'].filter(subject => !ended.includes(subject)),
    key: subject => subject,
    trace: async subject => (subject === 'caused' ? parent : undefined),
    observe: async subject => inSpan('look', {}, async () => (ended.includes(subject) ? '' : subject)),
    decide: subject => (subject === '' ? undefined : subject),
    step: () => 'go',
    act: async subject => inSpan('send', {}, async () => subject),
    record: async subject => void ended.push(subject),
  };
}

describe('recorded spans', () => {
  it('are one trace for what a stored cause started: look, step and what is done in it', async () => {
    const { tracing, spans } = await recording();
    const ended: string[] = [];
    const loop = startRunner(stepping(ended), { clock: Date.now, logger, intervalMs: 60_000, tracing });
    while (ended.length < 2) await new Promise(resolve => setImmediate(resolve));
    await loop.stop();
    const of = (name: string, subject: string) =>
      spans().find(span => span.name === name && span.attributes['holdfast.subject'] === opaque(subject));
    const step = of('walker/go', 'caused');
    expect(placeOf(step)).toEqual({ traceId: '1'.repeat(32), parent: '2'.repeat(16) });
    expect(placeOf(of('walker/observe', 'caused'))).toEqual(placeOf(step));
    expect(step?.attributes).toEqual({
      'holdfast.runner': 'walker',
      'holdfast.step': 'go',
      'holdfast.subject': opaque('caused'),
      'holdfast.outcome': 'ok',
    });
    const sent = spans().filter(({ name }) => name === 'send');
    expect(sent.map(span => placeOf(span).parent)).toContain(idOf(step));
    // Without a cause a look begins a trace, and the step that follows from it is part of that.
    const look = of('walker/observe', 'own');
    expect(placeOf(look).parent).toBeUndefined();
    expect(placeOf(of('walker/go', 'own'))).toEqual({ traceId: placeOf(look).traceId, parent: idOf(look) });
  });

  it('say of a failure what kind it was and nothing else', async () => {
    const { tracing, spans } = await recording();
    const failing = runTraced(tracing, 'step', { parent }, () =>
      inSpan('inner', {}, async () => {
        throw new TypeError('cannot reach sql1.corp:1433 with password x');
      }),
    );
    await expect(failing).rejects.toThrow('cannot reach');
    expect(spans().map(({ name, attributes, status, events }) => ({ name, attributes, status, events }))).toEqual(
      ['inner', 'step'].map(name => {
        return { name, attributes: { 'error.type': 'TypeError' }, status: { code: 2 }, events: [] };
      }),
    );
  });

  it('name a statement as the catalogue does, on the pool and on a connection of its own', async () => {
    const { tracing, spans } = await recording();
    const asked: unknown[] = [];
    const server = traceStatements({
      label: 'sql1',
      query: async (statement: { readonly name: string }, params: object) => void asked.push(statement.name, params),
      dedicated: async (programName: string) => ({
        programName,
        send: async (statement: { readonly name: string }, params: object) => void asked.push(statement.name, params),
      }),
    });
    await runTraced(tracing, 'step', { parent }, async () => {
      await server.query({ name: 'states' }, { secret: 1 });
      const line = await server.dedicated('holdfast');
      expect(line.programName).toBe('holdfast');
      await line.send({ name: 'RESTORE LOG' }, { path: 'D:' });
    });
    expect(asked).toEqual(['states', { secret: 1 }, 'RESTORE LOG', { path: 'D:' }]);
    const [first, second, step] = spans();
    expect([first, second].map(span => [span?.name, placeOf(span).parent])).toEqual([
      ['states', idOf(step)],
      ['RESTORE LOG', idOf(step)],
    ]);
    expect(JSON.stringify([first?.attributes, second?.attributes])).not.toMatch(/secret|D:/);
  });

  it('tie an event to what added it, and its effect to the event', async () => {
    const { tracing, spans } = await recording();
    const events = eventTracing(tracing);
    const carried = await runTraced(tracing, 'step', { parent }, () =>
      events.append('thing.done', undefined, async traceparent => traceparent),
    );
    await events.apply({ type: 'thing.done', id: 'e1', traceparent: carried }, async () => undefined);
    await events.append('other.done', parent, async () => undefined);
    await events.append('thing.begun', undefined, async () => undefined);
    const [append, step, apply, given, root] = spans();
    expect(append?.name).toBe('append thing.done');
    expect(placeOf(append).parent).toBe(idOf(step));
    expect(carried).toBe(`00-${'1'.repeat(32)}-${String(idOf(append))}-01`);
    expect(placeOf(apply)).toEqual({ traceId: '1'.repeat(32), parent: idOf(append) });
    expect(placeOf(given)).toEqual({ traceId: '1'.repeat(32), parent: '2'.repeat(16) });
    expect(placeOf(root).parent).toBeUndefined();
  });

  it('are not made for a caller who asked not to be recorded; the trace goes on', async () => {
    const { tracing, spans } = await recording();
    const seen = await runTraced(tracing, 'step', { parent: parent.replace(/01$/, '00') }, async () => currentTrace());
    expect(seen).toMatch(new RegExp(`^00-${'1'.repeat(32)}-[0-9a-f]{16}-00$`));
    expect(spans()).toEqual([]);
  });
});

describe('without a collector', () => {
  it('ids travel all the same', async () => {
    expect(await openTracing('test', {}, logger)).toBe(untraced);
    expect(currentTrace()).toBeUndefined();
    const inside = () => inSpan('part', {}, async () => currentTrace());
    expect(await runTraced(untraced, 'step', { parent }, inside)).toBe(parent);
    const [one, other] = [await runTraced(untraced, 'step', {}, inside), await runTraced(untraced, 'step', {}, inside)];
    expect(traceIdOf(one)).not.toBe(traceIdOf(other));
    const events = eventTracing(untraced);
    const append = () => events.append('thing.done', undefined, async traceparent => traceparent);
    expect(await runTraced(untraced, 'step', { parent }, append)).toBe(parent);
    expect(traceIdOf(await append())).not.toBe(traceIdOf(await append()));
  });

  it('what is done later for an undertaking stays in its trace, whoever asks for it', async () => {
    const elsewhere = `00-${'3'.repeat(32)}-${'4'.repeat(16)}-01`;
    const within = (current: string, stored: string | null) =>
      runTraced(untraced, 'step', { parent: current }, async () => traceWithin(stored));
    expect(await within(elsewhere, parent)).toBe(parent);
    expect(await within(parent, `00-${'1'.repeat(32)}-${'9'.repeat(16)}-01`)).toBe(parent);
    expect(await within(elsewhere, null)).toBe(elsewhere);
    expect(await runTraced(untraced, 'step', { parent }, async () => currentOrNewTrace())).toBe(parent);
  });

  it.each([
    undefined,
    '',
    'x',
    `00-${'0'.repeat(32)}-${'2'.repeat(16)}-01`,
    `ff-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
  ])('takes %p for no trace', given => {
    expect(receivedTrace(given)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(receivedTrace(given)).not.toContain('1'.repeat(32));
  });
});

describe('a collector', () => {
  /** Answers everything with this status; `bodies`: what came. */
  async function collector(status: number) {
    const bodies: string[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', chunk => (body += String(chunk)));
      request.on('end', () => {
        bodies.push(body);
        response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const close = () => new Promise(resolve => server.close(resolve));
    return { otlpUrl: `http://127.0.0.1:${String(port)}/v1/traces`, bodies, close };
  }

  it('gets the spans over OTLP, the last of them at the stop', async () => {
    const { otlpUrl, bodies, close } = await collector(200);
    const tracing = await openTracing('restore', { otlpUrl }, logger);
    await runTraced(tracing, 'execution/choose', { parent }, async () => undefined);
    await tracing.stop();
    await close();
    const { resourceSpans } = JSON.parse(String(bodies[0])) as { resourceSpans: object[] };
    expect(resourceSpans).toMatchObject([
      {
        resource: { attributes: expect.arrayContaining([{ key: 'service.name', value: { stringValue: 'restore' } }]) },
        scopeSpans: [{ spans: [{ name: 'execution/choose', traceId: '1'.repeat(32), parentSpanId: '2'.repeat(16) }] }],
      },
    ]);
  });

  it('that does not take them is said once, and fails no stop', async () => {
    const { otlpUrl, bodies, close } = await collector(400);
    const lines: string[] = [];
    const destination = { write: (text: string) => void lines.push(text) };
    const tracing = await openTracing(
      'restore',
      { otlpUrl },
      createLogger({ service: 't', level: 'info', destination }),
    );
    // Two batches.
    for (let n = 0; n <= 512; n += 1) await runTraced(tracing, 'step', { parent }, async () => undefined);
    await tracing.stop();
    await close();
    expect(bodies).toHaveLength(2);
    expect(lines.filter(line => line.includes('does not take our spans'))).toHaveLength(1);
  });
});
