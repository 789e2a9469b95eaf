import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export type Address = {
  readonly port: number;
  /** PEM; undefined: the listener speaks without TLS. */
  readonly ca: string | undefined;
};

const limitMs = 1_000;
const correlationId = 0x486f6c64;

/**
 * Whether a broker on this machine answers a request: ApiVersions 0, the only one that needs no login. A connection alone shows nothing: the kernel accepts it for
 * a broker that is still starting, and for one that is frozen (kafka.md §9.6).
 */
export function answersRequests({ port, ca }: Address): Promise<boolean> {
  const host = '127.0.0.1';
  const socket = ca === undefined ? connect({ host, port }) : connectTls({ host, port, ca });
  return new Promise(resolve => {
    let received = Buffer.alloc(0);
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    send(socket);
    socket.setTimeout(limitMs, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      // Length, correlation id, error code.
      if (received.length < 10) return;
      end(received.readInt32BE(4) === correlationId && received.readInt16BE(8) === 0);
    });
  });
}

function send(socket: Socket): void {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0);
  request.writeInt16BE(18, 4);
  request.writeInt16BE(0, 6);
  request.writeInt32BE(correlationId, 8);
  // No client id.
  request.writeInt16BE(-1, 12);
  socket.write(request);
}
