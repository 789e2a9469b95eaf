import type { AbortReason, Database, Login, RunningRequest, Session, SessionOptions, Transaction } from './contract.ts';

export type SessionStart = {
  readonly spid: number;
  readonly login: Login;
  readonly hostName: string;
  readonly programName: string;
  readonly loginTime: Date;
  /** All of the connection, not its login alone. */
  readonly encrypted: boolean;
  readonly database: Database;
  /** Called when KILL hits the session while no request runs. */
  readonly close: () => void;
};

const neverAborted = new AbortController().signal;

/** The options every session starts with; the driver sets its own in its first batch (sqlserver.md §8.1). */
function initialOptions(): SessionOptions {
  return { xactAbort: false, implicitTransactions: false, noCount: false, lockTimeoutMs: -1, dateFirst: 7 };
}

/** One logged-in connection as the layers below see it. */
export class ServerSession implements Session {
  readonly spid: number;
  readonly login: Login;
  readonly hostName: string;
  readonly programName: string;
  readonly loginTime: Date;
  readonly encrypted: boolean;
  readonly options = initialOptions();
  database: Database;
  transaction: Transaction | undefined;
  nesting = 0;
  signal: AbortSignal = neverAborted;
  request: RunningRequest | undefined;
  readonly close: () => void;
  /** Set by its connection: drops that under a request that goes on. */
  loseClient: (() => void) | undefined;
  /** The database of the login, to which RESETCONNECTION returns. */
  readonly loginDatabase: string;
  #running: AbortController | undefined;
  #killed = false;

  constructor(start: SessionStart) {
    this.spid = start.spid;
    this.login = start.login;
    this.hostName = start.hostName;
    this.programName = start.programName;
    this.loginTime = start.loginTime;
    this.encrypted = start.encrypted;
    this.database = start.database;
    this.close = start.close;
    this.loginDatabase = start.database.name;
  }

  get killed(): boolean {
    return this.#killed;
  }

  get busy(): boolean {
    return this.#running !== undefined;
  }

  startRequest(text: string, startedAt: Date): AbortSignal {
    this.#running = new AbortController();
    this.signal = this.#running.signal;
    this.request = { startedAt, command: '', text, percentComplete: 0, blockedBy: 0, waitType: undefined };
    return this.signal;
  }

  endRequest(): void {
    this.#running = undefined;
    this.request = undefined;
  }

  /** Without effect when nothing runs. */
  abort(reason: AbortReason): void {
    this.#running?.abort(reason);
  }

  kill(_by: Session | undefined): void {
    this.#killed = true;
    if (this.#running) this.#running.abort('kill' satisfies AbortReason);
    else this.close();
  }
}
