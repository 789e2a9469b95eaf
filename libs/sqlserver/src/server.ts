import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Address, addressProblem, type Credentials, renderAddress } from './address.ts';
import {
  type Answer,
  type Connection,
  defaultTimeouts,
  openPool,
  type PoolShape,
  type Pool,
  send,
  type Target,
  type Timeouts,
} from './driver.ts';
import { type ServerMessage, SqlServerError } from './errors.ts';
import type { Columns, Row, Statement } from './statement.ts';
import { connectionEncryption } from './statements-observe.ts';

/** Milliseconds since the epoch. */
export type Clock = () => number;

/** One connection that nobody else uses and nobody replaces; see exclusive.ts. */
export interface DedicatedConnection {
  send<P extends object, C extends Columns>(
    statement: Statement<P, C>,
    params: P,
    onMessage?: (message: ServerMessage) => void,
  ): Promise<Answer<C>>;
  /** True from the moment the connection ended, whoever ended it. */
  ended(): boolean;
  close(): Promise<void>;
}

/** An instance of SQL Server, for reading and small commands. Everything long runs on an exclusive connection. */
export interface SqlServer {
  /** For messages: `host:port` or `host\INSTANCE`. */
  readonly label: string;
  readonly clock: Clock;
  /** Rows as the catalogue promises them. Throws SqlServerError; refuses `long` statements. */
  query<P extends object, C extends Columns>(statement: Statement<P, C>, params: P): Promise<readonly Row<C>[]>;
  dedicated(programName: string): Promise<DedicatedConnection>;
  close(): Promise<void>;
}

export type ServerOptions = {
  readonly address: Address;
  readonly credentials: Credentials;
  /** Shows in sys.dm_exec_sessions.program_name; ≤ 128 characters. */
  readonly applicationName: string;
  readonly clock: Clock;
  readonly timeouts?: Partial<Timeouts>;
};

const checkedProgramName = (name: string): string => {
  if (name === '' || name.length > 128) throw new Error(`A program name has 1 to 128 characters, not ${name.length}.`);
  return name;
};

// With encrypt on, the driver goes on in clear when the server answers that it cannot encrypt (sqlserver.md §8.6).
const requireEncryption = async (pool: Pool, target: Target): Promise<void> => {
  const secrets = [target.credentials.password];
  const { rows } = await send(pool, connectionEncryption, {}, secrets);
  if (rows[0]?.encryptOption === 'TRUE') return;
  throw new SqlServerError('connect', {
    errorClass: 'login',
    hint: 'Configure a certificate at the server, or state openly that this instance is reached without encryption.',
    number: null,
    severity: null,
    code: 'ENOTENCRYPTED',
    text: `${renderAddress(target.address)} does not encrypt, but encryption was asked for`,
    messages: [],
  });
};

const openChecked = async (target: Target, shape: PoolShape): Promise<Pool> => {
  const pool = await openPool(target, shape);
  if (!target.address.encrypt) return pool;
  try {
    await requireEncryption(pool, target);
    return pool;
  } catch (error) {
    await pool.close();
    throw error;
  }
};

const openDedicated = async (target: Target, programName: string): Promise<DedicatedConnection> => {
  let ended = false;
  let opening = true;
  const connections: Connection[] = [];
  const shape: PoolShape = {
    programName: checkedProgramName(programName),
    max: 1,
    requestMs: 0,
    single: {
      onConnection: connection => {
        connections.push(connection);
        // The driver first opens and closes a probe: its end is not ours.
        connection.on('end', () => (ended = !opening));
      },
    },
  };
  const pool = await openChecked(target, shape);
  opening = false;
  const secrets = [target.credentials.password];
  return {
    send: (statement, params, onMessage) => send(pool, statement, params, secrets, onMessage),
    ended: () => ended,
    close: async () => {
      ended = true;
      // The driver reads what has arrived to its end within one turn. Closed in the middle of that, it throws at the end of the answer, where nobody
      // can catch it, and the process ends.
      await nextTurn();
      // The pool waits for a running request, a restore may run for hours: the server aborts it when its connection closes.
      connections.forEach(connection => connection.close());
      await pool.close();
    },
  };
};

/**
 * Connects and stays: at most two connections, all in `master`. Throws an Error naming the refusal for an address that cannot be
 * used, SqlServerError `login` for refused credentials and `lost` for an instance that cannot be reached.
 */
export const openServer = async (options: ServerOptions): Promise<SqlServer> => {
  const problem = addressProblem(options.address, options.credentials.user);
  if (problem !== undefined) throw new Error(`${problem.refused}: ${problem.message} ${problem.fix}`);
  const timeouts = { ...defaultTimeouts, ...options.timeouts };
  const target: Target = { address: options.address, credentials: options.credentials, timeouts };
  const shape: PoolShape = {
    programName: checkedProgramName(options.applicationName),
    max: 2,
    requestMs: timeouts.requestMs,
    single: undefined,
  };
  const pool = await openChecked(target, shape);
  const dedicated = new Set<DedicatedConnection>();
  return {
    label: renderAddress(options.address),
    clock: options.clock,
    query: async (statement, params) => {
      // A pooled connection has a request timeout, and its lock would belong to whoever borrows it next (sqlserver.md §8.5).
      if (statement.duration === 'long') throw new Error(`${statement.name} runs on an exclusive connection only.`);
      return (await send(pool, statement, params, [options.credentials.password])).rows;
    },
    dedicated: async programName => {
      const opened = await openDedicated(target, programName);
      const connection: DedicatedConnection = {
        ...opened,
        close: async () => {
          dedicated.delete(connection);
          await opened.close();
        },
      };
      dedicated.add(connection);
      return connection;
    },
    close: async () => {
      // Dedicated connections first: their statements must not outlive the object that opened them.
      await Promise.all([...dedicated].map(connection => connection.close()));
      await pool.close();
    },
  };
};
