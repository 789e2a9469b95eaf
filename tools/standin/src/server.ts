import { timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Connection, type ConnectionHost } from './connection.ts';
import type { Engine, Executor, Login } from './contract.ts';
import type { TlsContexts } from './certificate.ts';
import { SqlError, message } from './messages.ts';
import { injure } from './faults/injured-socket.ts';
import type { Login7 } from './protocol/login7.ts';
import { ServerSession } from './session.ts';
import { WindowsAccounts } from './windows-accounts.ts';

export type LoginEntry = { readonly login: Login; readonly password: string };

export type ServerOptions = {
  readonly engine: Engine;
  readonly executor: Executor;
  readonly logins: readonly LoginEntry[];
  /** 0: any free one. */
  readonly port: number;
  /** Who has not logged in by then is disconnected. */
  readonly loginTimeoutMs: number;
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
  /** Asked when a client first wants to encrypt. */
  readonly tls: () => Promise<TlsContexts>;
  readonly forceEncryption: boolean;
};

/** TDS 8.0 came with SQL Server 2022 (sqlserver.md §8.6). */
const firstStrictVersion = 16;

type Client = Pick<ServerSession, 'hostName' | 'programName' | 'encrypted'>;

/** Spids up to 50 belong to the system (unverified); users start here. */
const firstUserSpid = 51;

/** Accepts TDS connections on loopback and gives each its session. */
export class StandInServer {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #host: ConnectionHost;
  readonly #connections = new Set<Connection>();
  /** The fault `connection-stalled`. */
  readonly #stalled = new Set<Socket>();
  readonly #spids = new Set<number>();
  #closing = false;

  constructor(options: ServerOptions) {
    this.#options = options;
    const version = productVersion(options.engine.productVersion);
    this.#host = {
      serverName: options.engine.serverName,
      version,
      executor: options.executor,
      clock: options.engine.clock,
      logIn: (login, connection, account) => this.#logIn(login, connection, account),
      windows: new WindowsAccounts({
        accounts: options.logins.flatMap(({ login: { name, windows }, password }) =>
          windows === true ? [{ name, password }] : [],
        ),
        serverName: options.engine.serverName,
        clock: options.engine.clock,
      }),
      tlsInside: async () => (await options.tls()).inside,
      tlsFirst: version[0] >= firstStrictVersion ? async () => (await options.tls()).first : undefined,
      forceEncryption: options.forceEncryption,
      faults: options.engine.faults.wire,
      logOut: session => this.#logOut(session),
      reset: session => this.#reset(session),
      report: options.report,
    };
    this.#server = createServer(socket => this.#accept(socket));
  }

  /** Resolves with the port once it accepts. Rejects when the port is taken. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        const { port } = this.#server.address() as AddressInfo;
        const { faults } = this.#options.engine;
        faults.onChange(() => this.#followRefusal(port));
        this.#followRefusal(port);
        resolve(port);
      });
    });
  }

  /** The fault `connection-refused`. */
  #followRefusal(port: number): void {
    const { engine, report } = this.#options;
    if (this.#closing) return;
    const refuses = engine.faults.wire.refusesConnections();
    if (refuses && this.#server.listening) this.#server.close();
    if (refuses || this.#server.listening) return;
    this.#server.once('error', report);
    this.#server.listen(port, '127.0.0.1', () => this.#server.off('error', report));
  }

  /** Running requests are aborted and their transactions undone before it resolves. */
  async close(): Promise<void> {
    this.#closing = true;
    const stopped = new Promise(resolve => this.#server.close(resolve));
    for (const socket of this.#stalled) socket.destroy();
    await Promise.all([...this.#connections].map(connection => connection.close('shutdown')));
    await stopped;
  }

  #accept(socket: Socket): void {
    if (this.#closing) {
      socket.destroy();
      return;
    }
    const { wire } = this.#options.engine.faults;
    const fate = wire.accepts();
    if (fate !== 'served') {
      socket.on('error', () => socket.destroy());
      if (fate === 'reset') socket.resetAndDestroy();
      else this.#stall(socket);
      return;
    }
    injure(socket, wire);
    const connection = new Connection(socket, this.#host);
    this.#connections.add(connection);
    const timer = setTimeout(() => {
      if (!connection.loggedIn) socket.destroy();
    }, this.#options.loginTimeoutMs);
    void connection.ended.then(() => {
      clearTimeout(timer);
      this.#connections.delete(connection);
    });
  }

  /** Never answered, and read to the end, so that it is seen when the client gives up. */
  #stall(socket: Socket): void {
    this.#stalled.add(socket);
    socket.resume();
    socket.on('close', () => this.#stalled.delete(socket));
  }

  #logIn(
    request: Login7,
    connection: { readonly encrypted: boolean; close(): void },
    account: string | undefined,
  ): ServerSession {
    if (this.#options.engine.faults.wire.refusesLogin(account ?? request.userName))
      throw refusedLogin(account ?? request.userName);
    const login = account === undefined ? this.#authenticate(request) : this.#loginOf(account);
    const { hostName, programName } = request;
    const client = { hostName, programName, encrypted: connection.encrypted };
    return this.#attach(login, client, request.database === '' ? 'master' : request.database, () => connection.close());
  }

  #authenticate(request: Login7): Login {
    const entry = this.#entryOf(request.userName);
    // A Windows account is not let in by a password in clear.
    const known = entry !== undefined && entry.login.windows !== true;
    if (!known || !samePassword(entry.password, request.password)) throw refusedLogin(request.userName);
    return entry.login;
  }

  /** Of one who has shown who it is. */
  #loginOf(name: string): Login {
    const entry = this.#entryOf(name);
    if (!entry) throw refusedLogin(name);
    return entry.login;
  }

  #entryOf(name: string): LoginEntry | undefined {
    const wanted = name.toLowerCase();
    return this.#options.logins.find(each => each.login.name.toLowerCase() === wanted);
  }

  /** A session that comes in by another way than TDS; it has shown who it is. */
  openSession(login: string, client: Omit<Client, 'encrypted'>, close: () => void): ServerSession {
    if (this.#closing) throw refusedLogin(login);
    return this.#attach(this.#loginOf(login), { ...client, encrypted: false }, 'master', close);
  }

  endSession(session: ServerSession): Promise<void> {
    return this.#logOut(session);
  }

  #attach(login: Login, client: Client, databaseName: string, close: () => void): ServerSession {
    const { engine } = this.#options;
    const database = engine.database(databaseName);
    if (database?.state !== 'ONLINE') throw refusedDatabase(databaseName, login.name);
    const { hostName, programName, encrypted } = client;
    const spid = this.#freeSpid();
    const session = new ServerSession({
      spid,
      login,
      hostName,
      programName,
      loginTime: engine.clock(),
      encrypted,
      database,
      close,
    });
    try {
      engine.attach(session);
    } catch (error) {
      if (error instanceof SqlError) throw refusedDatabase(databaseName, login.name, error);
      throw error;
    }
    this.#spids.add(spid);
    return session;
  }

  async #logOut(session: ServerSession): Promise<void> {
    const { engine, executor } = this.#options;
    // Undoing and dropping is work too; the signal of the last request may have been aborted and would stop it.
    session.startRequest('', engine.clock());
    try {
      await executor.reset?.(session);
    } finally {
      session.endRequest();
    }
    try {
      await engine.detach(session);
    } finally {
      this.#spids.delete(session.spid);
    }
  }

  /** A new session under the old spid: nothing that belongs to the old one can leak into it. */
  async #reset(session: ServerSession): Promise<ServerSession> {
    await this.#logOut(session);
    return this.#attach(session.login, session, session.loginDatabase, session.close);
  }

  #freeSpid(): number {
    for (let spid = firstUserSpid; ; spid++) if (!this.#spids.has(spid)) return spid;
  }
}

/** `16.0.4236.2` as three numbers. */
function productVersion(text: string): [number, number, number] {
  const [major = 0, minor = 0, build = 0] = text.split('.').map(Number);
  return [major, minor, build];
}

function samePassword(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function refusedLogin(name: string): SqlError {
  return new SqlError([message(18456, name)], 'connection');
}

function refusedDatabase(database: string, login: string, cause?: SqlError): SqlError {
  return new SqlError([message(4060, database), message(18456, login)], 'connection', cause);
}
