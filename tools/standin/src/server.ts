import { timingSafeEqual } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Connection, type ConnectionHost } from './connection.ts';
import type { Engine, Executor, Login } from './contract.ts';
import type { TlsContexts } from './certificate.ts';
import { SqlError, message } from './messages.ts';
import type { Login7 } from './protocol/login7.ts';
import { ServerSession } from './session.ts';

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
      logIn: (login, connection) => this.#logIn(login, connection),
      tlsInside: async () => (await options.tls()).inside,
      tlsFirst: version[0] >= firstStrictVersion ? async () => (await options.tls()).first : undefined,
      forceEncryption: options.forceEncryption,
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
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Running requests are aborted and their transactions undone before it resolves. */
  async close(): Promise<void> {
    this.#closing = true;
    const stopped = new Promise(resolve => this.#server.close(resolve));
    await Promise.all([...this.#connections].map(connection => connection.close('shutdown')));
    await stopped;
  }

  #accept(socket: Socket): void {
    if (this.#closing) {
      socket.destroy();
      return;
    }
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

  #logIn(request: Login7, connection: { readonly encrypted: boolean; close(): void }): ServerSession {
    const login = this.#authenticate(request);
    const { hostName, programName } = request;
    const client = { hostName, programName, encrypted: connection.encrypted };
    return this.#attach(login, client, request.database === '' ? 'master' : request.database, () => connection.close());
  }

  #authenticate(request: Login7): Login {
    const wanted = request.userName.toLowerCase();
    const entry = this.#options.logins.find(each => each.login.name.toLowerCase() === wanted);
    if (!entry || !samePassword(entry.password, request.password)) throw refusedLogin(request.userName);
    return entry.login;
  }

  /** A session that comes in by another way than TDS; it has shown who it is. */
  openSession(login: string, client: Omit<Client, 'encrypted'>, close: () => void): ServerSession {
    const wanted = login.toLowerCase();
    const entry = this.#options.logins.find(each => each.login.name.toLowerCase() === wanted);
    if (!entry || this.#closing) throw refusedLogin(login);
    return this.#attach(entry.login, { ...client, encrypted: false }, 'master', close);
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
