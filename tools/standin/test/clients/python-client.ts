/** One process of `dbapi.py`: commands in, answers out, one after the other. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Client } from './packages.ts';

const script = fileURLToPath(new URL('dbapi.py', import.meta.url));

export type ResultSet = { readonly columns: readonly string[]; readonly rows: readonly (readonly (string | null)[])[] };

export type Answer = {
  readonly sets?: readonly ResultSet[];
  /** Those of the call, outputs in their places; known where no result set came before. */
  readonly arguments?: readonly (string | null)[];
  readonly status?: number | null;
  readonly first?: string | null;
  /** State, severity, line and text of each. */
  readonly messages?: readonly (readonly [number, number, number, string])[];
  /** As far as the client tells them. */
  readonly error?: {
    readonly kind: string;
    readonly number: number | null;
    readonly text: string;
    readonly severity?: number;
    readonly state?: number;
    readonly line?: number;
  };
};

export type Command = { readonly op: string; readonly [argument: string]: unknown };

export type PythonClient = {
  ask(command: Command): Promise<Answer>;
  /** The first result set; throws what the client says instead. */
  rows(on: string, sql: string, parameters?: readonly unknown[]): Promise<ResultSet['rows']>;
  end(): Promise<void>;
};

export function startPythonClient(python: string, client: Client, env: NodeJS.ProcessEnv = {}): PythonClient {
  const child = spawn(python, [script, client], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (command: Command): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    const line = await lines.next();
    if (line.done === true) throw new Error(`${client} ended at ${JSON.stringify(command)}`);
    return JSON.parse(line.value) as Answer;
  };
  return {
    ask,
    rows: async (on, sql, parameters = []) => {
      const { error, sets } = await ask({ op: 'run', on, sql, parameters });
      if (error) throw new Error(`${sql}: ${JSON.stringify(error)}`);
      return sets?.[0]?.rows ?? [];
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
