/** The Agent is a client of its instance: its sessions stand beside those of the connections. */
import { fail, SqlError } from '../messages.ts';
import { ServerSession } from '../session.ts';
import type { AbortReason, Engine, Executor, Login, Transaction } from '../contract.ts';

/** Connections take the lowest free numbers: the two never meet. */
const firstSpid = 20_001;

/** The account of the service, by default a virtual one (learn.microsoft.com: service accounts and permissions); its sid is made up. */
function serviceLogin(serverName: string): Login {
  const [, instance] = serverName.split('\\');
  const service = instance === undefined ? 'SQLSERVERAGENT' : `SQLAGENT$${instance}`;
  return {
    name: `NT SERVICE\\${service}`,
    sid: Uint8Array.from(Buffer.from(service, 'ascii')),
    serverRoles: new Set(['sysadmin']),
  };
}

export class AgentSessions {
  readonly #engine: Engine;
  readonly #service: Login;
  readonly #open = new Set<ServerSession>();
  #stopping: AbortReason | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#service = serviceLogin(engine.serverName);
  }

  /** A session with one running request. 4060 when the database cannot be entered. */
  open(login: Login, programName: string, databaseName: string, text: string): ServerSession {
    const engine = this.#engine;
    const database = engine.database(databaseName);
    if (database === undefined) throw fail(4060, databaseName);
    const used = new Set(engine.sessions().map(session => session.spid));
    let spid = firstSpid;
    while (used.has(spid)) spid += 1;
    const session = new ServerSession({
      spid,
      login,
      hostName: engine.serverName.split('\\')[0] ?? engine.serverName,
      programName,
      loginTime: engine.clock(),
      encrypted: false,
      database,
      close: () => undefined,
    });
    engine.attach(session);
    this.#open.add(session);
    session.startRequest(text, engine.clock());
    if (this.#stopping !== undefined) session.abort(this.#stopping);
    return session;
  }

  /** Its transaction is undone, its temporary tables go. */
  async close(session: ServerSession, executor: Executor | undefined): Promise<void> {
    session.endRequest();
    this.#open.delete(session);
    // Undoing and dropping is work too; the signal of the last request may have been aborted and would stop it.
    session.startRequest('', this.#engine.clock());
    try {
      await executor?.reset?.(session);
    } finally {
      session.endRequest();
      await this.#engine.detach(session);
    }
  }

  /** The Agent's own reading and writing in msdb: one transaction, begun again while it is chosen as a deadlock's victim. */
  async transact<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#once(work);
      } catch (failure) {
        if (!(failure instanceof SqlError) || failure.messages[0]?.number !== 1205) throw failure;
      }
    }
  }

  async #once<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const session = this.open(this.#service, 'SQLAgent - Job Manager', 'msdb', '');
    const transaction = this.#engine.begin(session, undefined);
    try {
      const result = await work(transaction);
      await transaction.commit();
      return result;
    } catch (failure) {
      await transaction.rollback();
      throw failure;
    } finally {
      await this.close(session, undefined);
    }
  }

  /** Ends what the sessions do now and whatever they will do. */
  abortAll(reason: AbortReason): void {
    this.#stopping = reason;
    for (const session of this.#open) session.abort(reason);
  }
}
