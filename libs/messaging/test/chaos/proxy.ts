import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';

export type BrokerProxy = {
  readonly port: number;
  /** Every connection breaks now, and none is taken until `heal`. */
  cut(): void;
  /** Bytes vanish in both directions and nothing says so; connections of this time never come back, new ones do after `heal`. */
  halfOpen(): void;
  /** What is on its way takes so much longer, in order, until `heal`. */
  delay(ms: number): void;
  /** So many answers are lost with their connections: the broker has done what it was asked, and nobody hears of it. */
  loseAnswers(count: number): void;
  heal(): void;
  close(): Promise<void>;
};

/**
 * Between one service and a broker of one node. The broker tells its clients where it is; told are they this proxy's address instead, which
 * has the same length, so that all their connections come through here.
 */
export async function startBrokerProxy(brokerPort: number): Promise<BrokerProxy> {
  const sockets = new Set<Socket>();
  let mode: 'open' | 'cut' | 'half-open' = 'open';
  let delayMs = 0;
  let toLose = 0;
  let swap = (frame: Buffer): Buffer => frame;

  const server = createServer(client => {
    if (mode === 'cut') {
      client.destroy();
      return;
    }
    const upstream = connect(brokerPort, '127.0.0.1');
    let isForgotten = mode === 'half-open';
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        if (!isForgotten) other.destroy();
      });
      Object.assign(socket, { forget: () => (isForgotten = true) });
    }
    const forward = (to: Socket) => {
      let last: Promise<unknown> = Promise.resolve();
      return (bytes: Buffer): void => {
        const ms = delayMs;
        last = last
          .then(() => (ms > 0 ? setTimeout(ms) : undefined))
          .then(() => {
            if (!isForgotten && !to.destroyed) to.write(bytes);
          });
      };
    };
    client.on('data', forward(upstream));
    const answer = forward(client);
    upstream.on(
      'data',
      inFrames(frame => {
        if (toLose > 0 && !isForgotten) {
          toLose -= 1;
          client.destroy();
        } else answer(swap(frame));
      }),
    );
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  swap = swapping(addressOf(brokerPort), addressOf(port));
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    cut() {
      mode = 'cut';
      destroyAll();
    },
    halfOpen() {
      mode = 'half-open';
      for (const socket of sockets) (socket as Socket & { forget(): void }).forget();
    },
    delay(ms) {
      delayMs = ms;
    },
    loseAnswers(count) {
      toLose = count;
    },
    heal() {
      mode = 'open';
      delayMs = 0;
      toLose = 0;
    },
    close: async () => {
      destroyAll();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** As in Kafka's answers: a STRING's characters and an INT32. */
function addressOf(port: number): Buffer {
  const address = Buffer.alloc(13);
  address.write('127.0.0.1');
  address.writeInt32BE(port, 9);
  return address;
}

function swapping(from: Buffer, to: Buffer): (frame: Buffer) => Buffer {
  return frame => {
    if (!frame.includes(from)) return frame;
    const changed = Buffer.from(frame);
    for (let at = changed.indexOf(from); at >= 0; at = changed.indexOf(from, at + 1)) to.copy(changed, at);
    return changed;
  };
}

/** Each answer of Kafka begins with its size. */
function inFrames(take: (frame: Buffer) => void): (chunk: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0);
  return chunk => {
    waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
    while (waiting.length >= 4) {
      const end = 4 + waiting.readInt32BE(0);
      if (waiting.length < end) return;
      take(waiting.subarray(0, end));
      waiting = waiting.subarray(end);
    }
  };
}
