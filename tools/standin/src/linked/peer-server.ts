/** The peer port: where other instances of the group come in. Loopback only; whoever does not know the secret is disconnected. */
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import {
  encode,
  FrameReader,
  proofOf,
  sameProof,
  type Cancel,
  type PeerCall,
  type PeerReply,
  type Proof,
} from './peer-protocol.ts';
import { PeerSession, type PeerHost } from './peer-session.ts';

export type PeerServerOptions = PeerHost & {
  /** 0: any free one. */
  readonly port: number;
  /** Read anew for each connection. */
  readonly secret: () => Promise<string>;
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
};

export type PeerServer = { readonly port: number; close(): Promise<void> };

/** Who has not shown the secret by then is disconnected. */
const introductionMs = 5_000;

export async function startPeerServer(options: PeerServerOptions): Promise<PeerServer> {
  const connections = new Set<PeerServerConnection>();
  const server = createServer(socket => {
    const connection = new PeerServerConnection(socket, options);
    connections.add(connection);
    void connection.ended.then(() => connections.delete(connection));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const stopped = new Promise(resolve => server.close(resolve));
      await Promise.all([...connections].map(connection => connection.close()));
      await stopped;
    },
  };
}

class PeerServerConnection {
  readonly #socket: Socket;
  readonly #options: PeerServerOptions;
  readonly #frames = new FrameReader();
  readonly #session: PeerSession;
  readonly #challenge = randomBytes(32).toString('hex');
  readonly #timer: NodeJS.Timeout;
  /** Every frame takes its turn. */
  #work: Promise<void> = Promise.resolve();
  readonly ended: Promise<void>;

  constructor(socket: Socket, options: PeerServerOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#session = new PeerSession(options, () => socket.destroy());
    this.#timer = setTimeout(() => socket.destroy(), introductionMs);
    socket.setNoDelay(true);
    socket.on('data', chunk => this.#receive(chunk));
    // The error itself says no more than the close that follows it: the caller is gone.
    socket.on('error', () => socket.destroy());
    this.ended = new Promise(resolve => {
      socket.on('close', () => void this.#end().catch(options.report).finally(resolve));
    });
    socket.write(encode({ challenge: this.#challenge }));
  }

  async close(): Promise<void> {
    this.#session.abort('shutdown');
    this.#socket.destroy();
    await this.ended;
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#session.abort('closed');
    await this.#work;
    await this.#session.end();
  }

  #receive(chunk: Buffer): void {
    let messages: readonly unknown[];
    try {
      messages = this.#frames.push(chunk);
    } catch (error) {
      this.#options.report(error);
      this.#socket.destroy();
      return;
    }
    for (const message of messages) {
      if (this.#frames.trusted && (message as Cancel | PeerCall).kind === 'cancel') this.#session.abort('attention');
      else this.#work = this.#work.then(() => this.#take(message)).catch((error: unknown) => this.#fail(error));
    }
  }

  async #take(message: unknown): Promise<void> {
    if (this.#socket.destroyed) return;
    if (!this.#frames.trusted) {
      await this.#admit(message as Proof);
      return;
    }
    const call = message as PeerCall;
    this.#send(await this.#session.reply(call));
    if (call.kind === 'prepare') this.#options.passed('branch voted');
    if (this.#session.killed) this.#socket.destroySoon();
  }

  async #admit({ challenge, proof }: Proof): Promise<void> {
    const secret = await this.#options.secret();
    const expected = proofOf(secret, 'caller', this.#challenge, challenge);
    if (!sameProof(expected, proof)) {
      this.#socket.destroy();
      return;
    }
    clearTimeout(this.#timer);
    this.#frames.trusted = true;
    const { serverName } = this.#options.engine;
    this.#socket.write(encode({ proof: proofOf(secret, 'server', challenge, this.#challenge), serverName }));
  }

  #send(reply: PeerReply): void {
    this.#socket.write(encode(reply));
  }

  /** A mistake of ours: told and reported, and the connection ends, so that nobody goes on with half an answer. */
  #fail(error: unknown): void {
    this.#options.report(error);
    this.#send({ kind: 'broken', text: error instanceof Error ? error.message : String(error) });
    this.#socket.destroySoon();
  }
}
