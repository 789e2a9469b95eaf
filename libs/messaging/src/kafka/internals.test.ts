import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { until } from '../testing/counted.ts';
import './internals.ts';

type Answer = { readonly correlationId: number };
type Connection = {
  readonly requestQueue: { fulfillRequest: (answer: Answer) => void };
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
  isConnected(): boolean;
};
const load = createRequire(import.meta.url);
const ConnectionClass = load('kafkajs/src/network/connection') as new (options: object) => Connection;
const { createLogger } = load('kafkajs/src/loggers') as { createLogger: (options: object) => object };

/** The end of a broker, of each connection one. */
const ends: Socket[] = [];
const server = createServer({ allowHalfOpen: true }, socket => void ends.push(socket.on('error', () => undefined)));
let connection: Connection;
let answers: number[];
let opened: number;

beforeEach(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  connection = new ConnectionClass({
    host: '127.0.0.1',
    port,
    logger: createLogger({ level: 0, logCreator: () => () => undefined }),
    connectionTimeout: 5_000,
    requestTimeout: 5_000,
    socketFactory: ({ onConnect }: { readonly onConnect: () => void }) => {
      opened += 1;
      return connect({ host: '127.0.0.1', port }, onConnect).on('error', () => undefined);
    },
  });
  [answers, opened] = [[], 0];
  connection.requestQueue.fulfillRequest = ({ correlationId }) => void answers.push(correlationId);
});
afterEach(async () => {
  await connection.disconnect();
  for (const end of ends.splice(0)) end.destroy();
  await new Promise(resolve => server.close(resolve));
});

/** A response without a content. */
function response(correlationId: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(4, 0);
  bytes.writeInt32BE(correlationId, 4);
  return bytes;
}

async function connected(): Promise<Socket> {
  const before = ends.length;
  await connection.connect();
  await until(() => ends.length === before + 1);
  return ends[before]!;
}

it('reads a new connection from its beginning, whatever the one before broke off within', async () => {
  const first = await connected();
  first.end(response(1).subarray(0, 6));
  await until(() => !connection.isConnected());
  const second = await connected();
  second.write(response(2));
  await until(() => answers.length > 0);
  expect(answers).toEqual([2]);
});

it('hears nothing any more of the connection before', async () => {
  const first = await connected();
  await connection.disconnect();
  const second = await connected();
  first.write(response(1));
  second.write(response(2).subarray(0, 6));
  first.write(response(1));
  second.write(response(2).subarray(6));
  await until(() => answers.length > 0);
  expect(answers).toEqual([2]);
});

it('opens one connection for all who ask at the same time', async () => {
  await Promise.all([connection.connect(), connection.connect()]);
  const again = await Promise.all([connection.connect(), connection.connect()]);
  expect([opened, again]).toEqual([1, [true, true]]);
});
