/** The calling side of a connection between two instances. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { RequestAborted } from '../engine/request-aborted.ts';
import { SqlError } from '../messages.ts';
import {
  encode,
  FrameReader,
  proofOf,
  sameProof,
  type Answers,
  type Challenge,
  type PeerCall,
  type PeerReply,
  type Welcome,
} from './peer-protocol.ts';
import type { PeerDirectory } from '../engine/options.ts';

/** The other instance is not there, or went away within a call. */
export class PeerLost extends Error {
  constructor(text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.name = 'PeerLost';
  }
}

const connectTimeoutMs = 5_000;
/** Who does not answer a cancel in time is taken for gone. */
const cancelTimeoutMs = 5_000;

type Waiting = { readonly resolve: (message: unknown) => void; readonly reject: (failure: Error) => void };

export class PeerConnection {
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #arrived: unknown[] = [];
  #waiting: Waiting | undefined;
  #lost: PeerLost | undefined;
  #serverName = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('error', cause => this.#lose(new PeerLost('the connection to the other instance broke', cause)));
    socket.on('close', () => this.#lose(new PeerLost('the other instance closed the connection')));
  }

  /** Throws PeerLost when the instance is unknown, not there, or does not know the secret. */
  static async open(directory: PeerDirectory | undefined, instance: string): Promise<PeerConnection> {
    const place = await directory?.(instance).catch((cause: unknown) => {
      throw new PeerLost('nobody knows where the instances are', cause);
    });
    if (place === undefined) throw new PeerLost(`no peer is called ${instance}`);
    const socket = connect({ host: place.host, port: place.port });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), connectTimeoutMs);
    try {
      await once(socket, 'connect');
      const connection = new PeerConnection(socket);
      await connection.#introduce(place.secret);
      return connection;
    } catch (cause) {
      socket.destroy();
      throw new PeerLost(`${instance} cannot be reached`, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  async #introduce(secret: string): Promise<void> {
    const theirs = ((await this.#next()) as Challenge).challenge;
    const ours = randomBytes(32).toString('hex');
    this.#socket.write(encode({ challenge: ours, proof: proofOf(secret, 'caller', theirs, ours) }));
    const { proof, serverName } = (await this.#next()) as Welcome;
    if (!sameProof(proofOf(secret, 'server', ours, theirs), proof)) throw new Error('it does not know the secret');
    this.#frames.trusted = true;
    this.#serverName = serverName;
  }

  /** @@SERVERNAME over there. */
  get serverName(): string {
    return this.#serverName;
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  /** Throws SqlError for what the other instance refused, RequestAborted when `signal` cancelled it, PeerLost when the connection ended. */
  async call<K extends PeerCall['kind']>(
    call: Extract<PeerCall, { kind: K }>,
    signal?: AbortSignal,
  ): Promise<Answers[K]> {
    if (this.#lost !== undefined) throw this.#lost;
    let timer: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      this.#socket.write(encode({ kind: 'cancel' }));
      timer = setTimeout(() => this.close(), cancelTimeoutMs);
    };
    this.#socket.write(encode(call));
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    try {
      const reply = (await this.#next()) as PeerReply;
      if (reply.kind === 'answer') return reply.answer as Answers[K];
      if (reply.kind === 'failed') throw new SqlError(reply.messages, reply.scope);
      if (reply.kind === 'broken') throw new Error(`the other instance: ${reply.text}`);
      throw new RequestAborted(signal?.reason ?? 'cancelled by the other instance');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#arrived.push(...this.#frames.push(chunk));
    } catch (cause) {
      this.#lose(new PeerLost('the other instance sent nonsense', cause));
      this.#socket.destroy();
      return;
    }
    if (this.#waiting === undefined || this.#arrived.length === 0) return;
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(this.#arrived.shift());
  }

  #next(): Promise<unknown> {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (this.#waiting !== undefined) return Promise.reject(new Error('a second call on one peer connection'));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  #lose(reason: PeerLost): void {
    this.#lost ??= reason;
    this.#waiting?.reject(this.#lost);
    this.#waiting = undefined;
  }

  close(): void {
    this.#socket.destroy();
  }
}
