import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SocketFactory } from './internals.ts';

/**
 * The sockets of one kafkajs client. Known to us so that a broken connection is noticed when it breaks, and so that an end is an end: kafkajs
 * would go on trying for as long as its retries last.
 */
export class Sockets {
  readonly #open = new Set<Socket>();
  readonly #broken: () => void;
  readonly #reopens: boolean;
  readonly #opened = new Set<string>();
  #ended = false;

  /** `reopens: false`: a client that may go on only on the connections it began with. */
  constructor(broken: () => void, { reopens = true }: { readonly reopens?: boolean } = {}) {
    this.#broken = broken;
    this.#reopens = reopens;
  }

  readonly factory: SocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#ended) throw new Error('this client is closed');
    const address = `${host}:${port}`;
    if (!this.#reopens && this.#opened.has(address)) throw new Error(`the connection to ${address} broke`);
    this.#opened.add(address);
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
      : connectPlain({ host, port }, onConnect);
    // kafkajs lets go of a closed socket again at each of its attempts, and each time Node adds a listener to it.
    socket.setMaxListeners(0);
    socket.setKeepAlive(true, 60_000);
    socket.setNoDelay(true);
    this.#open.add(socket);
    const broken = (): void => {
      if (this.#open.delete(socket) && !this.#ended) this.#broken();
    };
    socket.once('end', broken).once('close', broken);
    return socket;
  };

  /** The connections of now; the client makes others. */
  breakOff(): void {
    for (const socket of this.#open) socket.destroy(new Error('A request was not answered in time'));
  }

  /** From now on what closes is meant to close. */
  ending(): void {
    this.#ended = true;
  }

  end(): void {
    this.#ended = true;
    // With an error: only then does kafkajs reject what waits for an answer and end its timers.
    for (const socket of this.#open) socket.destroy(new Error('The connection was ended by its owner'));
  }
}
