import { createServer, type Server } from 'node:net';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Bus } from '../src/bus.ts';
import { createKafkaBus } from '../src/kafka/bus.ts';
import type { KafkaBusOptions } from '../src/kafka/options.ts';
import { testPublisher, until } from '../src/testing/counted.ts';
import { describeWith, openBroker } from './broker.ts';

const opened = await openBroker('sasl-tls');
afterAll(() => opened.broker?.end());

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

const openBus = (options: Omit<KafkaBusOptions, 'clientId'>): Bus => {
  const bus = createKafkaBus({ clientId: 'test', backOff: { firstMs: 5, capMs: 20 }, ...options });
  endings.push(() => bus.close());
  return bus;
};

/** What the bus says while it cannot reach a cluster, after it has tried again. */
async function problemOf(options: Omit<KafkaBusOptions, 'clientId'>): Promise<string> {
  const bus = openBus(options);
  await bus.register({ name: 'a', topics: ['t'], log: undefined as never });
  await until(() => bus.stats().attempts > 2, bus.check);
  const { problem, stop } = await bus.subscribe({
    group: 'g',
    topics: ['t'],
    position: async () => undefined,
    deliver: async () => undefined,
  });
  expect(bus.check()).toMatchObject({ ok: false });
  expect(bus.check().detail).toContain(problem());
  await expect(bus.publish('t', [])).rejects.toThrow();
  await stop();
  return problem() ?? '';
}

describeWith(opened, 'kafka with TLS and SASL', ({ brokers, sasl, ca }) => {
  it('carries events', async () => {
    const bus = openBus({ brokers, sasl, tls: { ca } });
    const topic = randomUUID();
    const { publish, remove } = await testPublisher(bus, topic);
    endings.push(remove);
    let delivered = 0;
    await bus.subscribe({
      group: topic,
      topics: [topic],
      position: async () => undefined,
      deliver: async ({ records }) => void (delivered += records.length),
    });
    await publish({ key: 'a', n: 0 });
    await until(() => delivered === 1, bus.check);
  });

  it('names a wrong password and a wrong mechanism, without the password', async () => {
    const wrong = { ...sasl, password: 'not-this-one' };
    const problem = await problemOf({ brokers, tls: { ca }, sasl: wrong });
    expect(problem).toMatch(/^KAFKA_AUTHENTICATION: .*credentials/);
    expect(problem).not.toContain('not-this-one');
    expect(await problemOf({ brokers, tls: { ca }, sasl: { ...sasl, mechanism: 'plain' } })).toMatch(
      /^KAFKA_AUTHENTICATION: .*does not support the requested SASL mechanism/,
    );
  });

  it('names a certificate that it has no reason to trust, and a broker that wants TLS', async () => {
    expect(await problemOf({ brokers, sasl, tls: {} })).toMatch(/^KAFKA_TLS: .*certificate/);
    expect(await problemOf({ brokers, sasl })).toMatch(/^KAFKA_UNREACHABLE: /);
  });
});

describe('a broker that is none of ours', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  it('is named when nobody listens', async () => {
    const port = await portOf(createServer(), servers);
    servers.splice(0).forEach(server => server.close());
    expect(await problemOf({ brokers: [`127.0.0.1:${port}`] })).toMatch(/^KAFKA_UNREACHABLE: .*ECONNREFUSED/);
  });

  it('is named when it is older than supported', async () => {
    // An ApiVersions answer of Kafka 0.10: Produce to 2, Fetch to 3.
    const old = createServer(socket => {
      socket.on('error', () => undefined);
      socket.on('data', request => {
        const body = Buffer.alloc(4 + 2 + 4 + 3 * 6);
        request.copy(body, 0, 8, 12);
        const versions = [
          [0, 0, 2],
          [1, 0, 3],
          [18, 0, 0],
        ];
        body.writeInt32BE(versions.length, 6);
        versions.flat().forEach((value, i) => body.writeInt16BE(value, 10 + 2 * i));
        const size = Buffer.alloc(4);
        size.writeInt32BE(body.length);
        socket.write(Buffer.concat([size, body]));
      });
    });
    const port = await portOf(old, servers);
    expect(await problemOf({ brokers: [`127.0.0.1:${port}`] })).toMatch(
      /^KAFKA_VERSION: the broker is older than supported \(Produce 2, Fetch 3; 3 and 4 are needed\)/,
    );
  });

  it('is refused before it is tried when the options make no sense', () => {
    expect(() => createKafkaBus({ clientId: 'a', brokers: [] })).toThrow('name at least one');
    expect(() => createKafkaBus({ clientId: 'a', brokers: ['nowhere'] })).toThrow('"nowhere" is not host:port');
    expect(() => createKafkaBus({ clientId: 'a', brokers: ['a:1'], topics: { partitions: 0 } })).toThrow('partitions');
  });
});

function portOf(server: Server, servers: Server[]): Promise<number> {
  servers.push(server);
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}
