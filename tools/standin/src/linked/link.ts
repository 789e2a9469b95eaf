/** What belongs to one session here: its session at another instance, and within a distributed transaction the part there. */
import { foldText } from '../engine/compare.ts';
import { fail, message, SqlError, unsupported } from '../messages.ts';
import { EngineTransaction } from '../engine/engine-transaction.ts';
import { RequestAborted } from '../engine/request-aborted.ts';
import { PeerConnection, PeerLost } from './peer-connection.ts';
import type { RemoteBranch } from '../engine/branch.ts';
import type { Instance } from '../engine/instance.ts';
import type { LinkedServer, RemoteAnswer, RemoteRequest, Session } from '../contract.ts';

/** The OLE DB driver that a linked server of product "SQL Server" uses: another one since SQL Server 2019 (learn.microsoft.com: sp_addlinkedserver). */
function providerOf({ options }: Instance): string {
  return options.majorVersion < 15 ? 'SQLNCLI11' : 'MSOLEDBSQL';
}

const tellTimeoutMs = 10_000;

function sameText(left: string, right: string): boolean {
  return foldText(left) === foldText(right);
}

export class Link implements RemoteBranch {
  readonly #instance: Instance;
  readonly #session: Session;
  readonly #server: LinkedServer;
  #connection: PeerConnection | undefined;
  /** The transaction whose part is there. */
  #enlisted: EngineTransaction | undefined;

  constructor(instance: Instance, session: Session, server: LinkedServer) {
    this.#instance = instance;
    this.#session = session;
    this.#server = server;
  }

  get instance(): string {
    return this.#connection?.serverName ?? this.#server.dataSource;
  }

  async ask(request: RemoteRequest): Promise<RemoteAnswer> {
    const { transaction } = this.#session;
    const timer = this.#timer();
    const { request: running } = this.#session;
    // What a session waits for that runs something at a linked server (learn.microsoft.com: sys.dm_os_wait_stats).
    if (running !== undefined) running.waitType = 'OLEDB';
    try {
      if (transaction instanceof EngineTransaction) await this.#enlist(transaction, timer.signal);
      return await this.#run(request, timer.signal);
    } catch (failure) {
      throw this.#told(failure, timer.expired());
    } finally {
      timer.end();
      if (running !== undefined) running.waitType = undefined;
    }
  }

  /** The session's own signal, or the server option `remote query timeout (s)`; 0 waits for ever. */
  #timer(): { readonly signal: AbortSignal; expired(): boolean; end(): void } {
    const seconds = this.#instance.serverOptions.inUse('remote query timeout (s)');
    const expiry = new AbortController();
    const timer = seconds > 0 ? setTimeout(() => expiry.abort('timeout'), seconds * 1000) : undefined;
    return {
      signal: AbortSignal.any([this.#session.signal, expiry.signal]),
      expired: () => expiry.signal.aborted && !this.#session.signal.aborted,
      end: () => clearTimeout(timer),
    };
  }

  #told(failure: unknown, expired: boolean): unknown {
    const { name } = this.#server;
    if (failure instanceof PeerLost) {
      if (this.#enlisted === undefined) return new SqlError([message(53)], 'statement', failure);
      this.#enlisted.doom();
      return new SqlError([message(1206)], 'transaction', failure);
    }
    if (failure instanceof RequestAborted && expired) {
      return new SqlError([message(7399, providerOf(this.#instance), name)], 'statement', failure);
    }
    return failure;
  }

  /** A connection that ended without a part of an open transaction on it is made anew without a word. */
  async #open(signal: AbortSignal): Promise<PeerConnection> {
    if (this.#connection?.lost === false) return this.#connection;
    if (this.#enlisted !== undefined) throw new PeerLost('the connection with a part of the transaction is gone');
    const connection = await PeerConnection.open(this.#instance.options.peers, this.#server.dataSource);
    const { login, hostName } = this.#session;
    try {
      await connection.call({ kind: 'open', login: login.name, hostName }, signal);
    } catch (failure) {
      connection.close();
      throw failure;
    }
    this.#connection = connection;
    return connection;
  }

  async #enlist(transaction: EngineTransaction, signal: AbortSignal): Promise<void> {
    if (this.#enlisted === transaction) return;
    this.#enlisted = undefined;
    const connection = await this.#open(signal);
    // Two parts at one instance would wait for each other's locks.
    if ([this.#instance.serverName, ...transaction.branchInstances()].some(each => sameText(each, this.instance)))
      throw unsupported(`${this.#server.name}: a second part of a transaction at ${this.instance}`);
    const decision = this.#instance.outcomes.idOf(transaction.id);
    try {
      transaction.promote();
      await connection.call({ kind: 'enlist', id: { decision, coordinator: this.#instance.serverName } }, signal);
    } catch (failure) {
      if (!(failure instanceof SqlError) || failure.messages[0]?.number !== 8501) throw failure;
      throw fail(7391, providerOf(this.#instance), this.#server.name);
    }
    this.#enlisted = transaction;
    transaction.addBranch(this.#server.name, this);
  }

  async #run(request: RemoteRequest, signal: AbortSignal): Promise<RemoteAnswer> {
    const connection = await this.#open(signal);
    const { lockTimeoutMs, xactAbort } = this.#session.options;
    const { errors, outputs, enlisted, ...answer } = await connection.call(
      { kind: 'run', request, lockTimeoutMs, xactAbort },
      signal,
    );
    const ended = this.#enlisted !== undefined && !enlisted;
    // Rolled back over there: what is left here cannot be committed any more.
    if (ended) this.#enlisted?.doom();
    if (errors.length > 0) throw new SqlError(errors, ended ? 'transaction' : 'statement');
    if (ended) throw fail(1206);
    return { ...answer, outputs: new Map(outputs) };
  }

  async prepare(decision: string): Promise<'prepared' | 'read only'> {
    try {
      const id = { decision, coordinator: this.#instance.serverName };
      const connection = await this.#open(this.#session.signal);
      const { vote } = await connection.call({ kind: 'prepare', id }, this.#session.signal);
      if (vote === 'read only') this.#enlisted = undefined;
      return vote;
    } catch (failure) {
      if (failure instanceof PeerLost) throw new SqlError([message(1206)], 'transaction', failure);
      throw failure;
    }
  }

  async commit(decision: string): Promise<boolean> {
    return this.#tell({ kind: 'settle', decision, outcome: 'committed' });
  }

  async abort(decision: string): Promise<void> {
    await this.#tell({ kind: 'abort', decision });
  }

  async #tell(call: Parameters<PeerConnection['call']>[0] & { readonly kind: 'settle' | 'abort' }): Promise<boolean> {
    const connection = this.#connection;
    this.#enlisted = undefined;
    if (connection === undefined || connection.lost) return false;
    // A participant that does not answer must not keep a decided COMMIT waiting: it will ask.
    const timer = setTimeout(() => connection.close(), tellTimeoutMs);
    try {
      const answer = await connection.call(call);
      return !('done' in answer) || answer.done;
    } catch (failure) {
      // It will ask for the outcome by itself; after a refusal the connection's end makes it ask.
      connection.close();
      if (failure instanceof PeerLost || failure instanceof SqlError) return false;
      throw failure;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#connection?.close();
  }
}
