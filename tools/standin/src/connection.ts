import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import type { AbortReason, Executor, Message } from './contract.ts';
import { SqlError, message, unsupported } from './messages.ts';
import { ProtocolError } from './protocol/bytes.ts';
import { MessageWriter } from './protocol/message-writer.ts';
import { packetType, type IncomingMessage } from './protocol/packets.ts';
import { parseBatch, parseCalls, parseTransactionRequest, type ProcedureCall } from './protocol/requests.ts';
import { Response } from './protocol/response.ts';
import { doneStatus, doneToken, noCommand, writeDone } from './protocol/tokens.ts';
import type { WireFaults } from './faults/wire-faults.ts';
import { Handshake, type HandshakeOptions, type LoggedIn } from './handshake.ts';
import { requestText } from './request-text.ts';
import type { ServerSession } from './session.ts';
import { Transport } from './transport.ts';

/** What a connection needs of its server. */
export type ConnectionHost = HandshakeOptions & {
  readonly executor: Executor;
  readonly faults: WireFaults;
  readonly clock: () => Date;
  /** The certificate for clients that begin with TLS; undefined: versions that do not know TDS 8.0. */
  readonly tlsFirst: (() => Promise<SecureContext>) | undefined;
  /** Ends a session: open transaction undone, locks and temporary tables gone. */
  readonly logOut: (session: ServerSession) => Promise<void>;
  /** RESETCONNECTION: the same login, afresh. */
  readonly reset: (session: ServerSession) => Promise<ServerSession>;
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
};

/** Each message of these statements is followed by a DONE(MORE) with this CurCmd (sqlserver.md §1.5); names as in sys.dm_exec_requests. */
const messageCommands: Readonly<Record<string, number>> = {
  'BACKUP DATABASE': 228,
  'BACKUP LOG': 235,
  'RESTORE DATABASE': 229,
  'RESTORE LOG': 229,
  'RESTORE VERIFYON': 377,
};

/**
 * One TCP connection: handshake, then one request at a time. An attention takes its place in the queue like every message, so its own answer
 * always follows the complete answer of the request it cut short (sqlserver.md §8.4).
 */
export class Connection {
  readonly #transport: Transport;
  readonly #host: ConnectionHost;
  readonly #handshake: Handshake;
  readonly #queue: IncomingMessage[] = [];
  #loggedIn: LoggedIn | undefined;
  #pumping: Promise<void> | undefined;
  #closed = false;
  /** The connection is lost and its request goes on: the fault `connection-cut`. */
  #cut = false;
  readonly #gone = new AbortController();
  /** Resolves when the session's traces are gone. */
  readonly ended: Promise<void>;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#host = host;
    this.#handshake = new Handshake(host);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    this.#transport = new Transport(socket, host.tlsFirst, {
      messages: messages => this.#receive(messages),
      failed: error => this.#fail(error),
    });
    this.ended = new Promise(resolve => {
      socket.on('close', () => void this.#end().catch(host.report).finally(resolve));
    });
  }

  get loggedIn(): boolean {
    return this.#loggedIn !== undefined;
  }

  async close(reason: AbortReason): Promise<void> {
    this.#loggedIn?.session.abort(reason);
    this.#transport.destroy();
    await this.ended;
  }

  async #end(): Promise<void> {
    this.#closed = true;
    this.#gone.abort();
    this.#queue.length = 0;
    if (!this.#cut) this.#loggedIn?.session.abort('closed');
    await this.#pumping;
    const loggedIn = this.#loggedIn;
    this.#loggedIn = undefined;
    if (loggedIn) await this.#host.logOut(loggedIn.session);
  }

  #receive(messages: readonly IncomingMessage[]): void {
    if (this.#closed) return;
    this.#queue.push(...messages);
    if (this.#queue[0]?.type === packetType.attention) this.#attend();
    this.#wake();
  }

  /** An attention that waits for the end of the running request cuts that short, at once or when the fault `attention-ignored` lets it. */
  #attend(): void {
    const [attention] = this.#queue;
    const delayMs = this.#host.faults.attentionDelayMs();
    if (delayMs === 0) {
      this.#loggedIn?.session.abort('attention');
      return;
    }
    const late = setTimeout(() => {
      if (this.#queue[0] === attention) this.#loggedIn?.session.abort('attention');
    }, delayMs);
    late.unref();
  }

  #wake(): void {
    this.#pumping ??= this.#pump()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#pumping = undefined;
        if (this.#queue.length > 0 && !this.#closed) this.#wake();
      });
  }

  async #pump(): Promise<void> {
    // Not in the stack of the data event: #pumping must be set before the first message is done.
    await Promise.resolve();
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (this.#loggedIn) await this.#answer(this.#loggedIn, next);
      else await this.#handshakeStep(next);
      if (this.#closed) return;
    }
  }

  async #handshakeStep(incoming: IncomingMessage): Promise<void> {
    if (incoming.type === packetType.login7) await this.#pause(this.#host.faults.loginDelayMs());
    const step = await this.#handshake.step(incoming, this.#transport);
    if (step === 'refused') this.#transport.closeSoon();
    else if (step !== 'continue') this.#loggedIn = step;
  }

  async #answer(loggedIn: LoggedIn, incoming: IncomingMessage): Promise<void> {
    const writer = new MessageWriter(this.#transport.output, loggedIn.session.spid, loggedIn.packetSize);
    if (incoming.type === packetType.attention) {
      writeDone(writer.tokens, doneToken.done, doneStatus.attention, noCommand, 0n);
      writer.end();
      return;
    }
    if (incoming.type === packetType.login7 || incoming.type === packetType.prelogin) {
      throw new ProtocolError('a second login on one connection');
    }
    const reset = incoming.reset === 'all';
    if (reset) loggedIn.session = await this.#host.reset(loggedIn.session);
    const { session } = loggedIn;
    session.loseClient = () => {
      this.#cut = true;
      this.#transport.destroy();
    };
    const signal = session.startRequest('', this.#host.clock());
    if (this.#queue[0]?.type === packetType.attention) session.abort('attention');
    if (this.#closed) session.abort('closed');
    const procedure = incoming.type === packetType.rpc;
    const response = new Response(writer, {
      serverName: this.#host.serverName,
      signal,
      procedure,
      messageCommand: () => messageCommands[session.request?.command ?? ''],
    });
    if (reset) response.sessionReset();
    try {
      if (incoming.reset === 'keep transaction') throw unsupported('RESETCONNECTIONSKIPTRAN');
      if (!incoming.ignored) {
        await this.#pause(
          this.#host.faults.statementDelayMs(() => requestText(incoming)),
          signal,
        );
        if (!signal.aborted) await this.#run(incoming, session, response);
      }
      if (this.#host.faults.losesAnswer(() => requestText(incoming))) {
        this.#transport.destroy();
        return;
      }
    } catch (error) {
      this.#sayError(error, response);
    } finally {
      session.endRequest();
    }
    if (session.killed && !response.callEnded) response.error(message(596));
    if (!procedure) response.endBatch(signal.aborted);
    else if (!response.callEnded) response.endCall(undefined, true);
    writer.end();
    if (response.fatal || session.killed) this.#transport.closeSoon();
  }

  /** Ends sooner when the request is aborted or the connection is gone. */
  async #pause(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms === 0) return;
    const signals = signal === undefined ? [this.#gone.signal] : [this.#gone.signal, signal];
    await delay(ms, undefined, { signal: AbortSignal.any(signals) }).catch((failure: unknown) => {
      if (!signals.some(each => each.aborted)) throw failure;
    });
  }

  async #run(incoming: IncomingMessage, session: ServerSession, response: Response): Promise<void> {
    const { executor } = this.#host;
    switch (incoming.type) {
      case packetType.sqlBatch: {
        const text = parseBatch(incoming.payload);
        if (session.request) session.request.text = text;
        await executor.batch(session, text, response);
        return;
      }
      case packetType.rpc: {
        const calls = parseCalls(incoming.payload);
        for (const [at, call] of calls.entries()) {
          await this.#call(call, at === calls.length - 1, session, response);
          if (session.signal.aborted) return;
        }
        return;
      }
      case packetType.transactionManager:
        await executor.transactionManager(session, parseTransactionRequest(incoming.payload), response);
        return;
      case packetType.bulkLoad:
        throw unsupported('bulk load');
      default:
        throw new ProtocolError(`packet type ${incoming.type}`);
    }
  }

  async #call(call: ProcedureCall, last: boolean, session: ServerSession, response: Response): Promise<void> {
    if (session.request) session.request.text = call.procedure;
    const result = await this.#host.executor.call(session, call.procedure, call.parameters, response);
    if (session.signal.aborted) return;
    response.endCall(result, last);
  }

  /** Refusals are told to the client; anything else is a mistake of ours and ends the connection, so that no client goes on with half an answer. */
  #sayError(error: unknown, response: Response): void {
    if (error instanceof ProtocolError) throw error;
    if (error instanceof SqlError) {
      for (const each of error.messages) response.error(each);
      return;
    }
    this.#host.report(error);
    response.error(brokenStandIn(error));
  }

  #fail(error: unknown): void {
    if (!(error instanceof ProtocolError)) this.#host.report(error);
    this.#transport.destroy();
  }
}

/** Not a message of SQL Server: state 254 marks the stand-in's own mistakes beside 255 of STANDIN-UNSUPPORTED. */
function brokenStandIn(error: unknown): Message {
  const text = error instanceof Error ? error.message : String(error);
  return { number: 50_000, severity: 20, state: 254, text: `STANDIN-BROKEN: ${text}` };
}
