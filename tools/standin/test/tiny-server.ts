import type { Database, Engine, Executor, Session } from '../src/contract.ts';
import { FaultSwitches } from '../src/faults/fault-switches.ts';
import { StandInServer, type ServerOptions } from '../src/server.ts';

export type Encryption = Pick<ServerOptions, 'tls' | 'forceEncryption'> & { readonly productVersion: string };

const master = { id: 1, name: 'master', state: 'ONLINE' } as Database;

/** Just enough of an engine for logins: one database, and the sessions it was told of. */
export type TinyEngine = { readonly engine: Engine; readonly attached: Set<Session> };

export function tinyEngine(productVersion = '16.0.4236.2'): TinyEngine {
  const attached = new Set<Session>();
  const engine = {
    serverName: 'TINY\\ONE',
    productVersion,
    clock: () => new Date('2026-03-01T12:00:00Z'),
    faults: new FaultSwitches(),
    database: (name: string) => (name.toLowerCase() === 'master' ? master : undefined),
    attach: (session: Session) => void attached.add(session),
    detach: async (session: Session) => void attached.delete(session),
  } as Partial<Engine> as Engine;
  return { engine, attached };
}

/** A server on a free port whose statements `executor` answers; unexpected errors collect in `reported`. */
export async function startTinyServer(
  executor: Partial<Executor>,
  loginTimeoutMs = 5000,
  { productVersion, ...encryption }: Partial<Encryption> = {},
) {
  const { engine, attached } = tinyEngine(productVersion);
  const reported: unknown[] = [];
  const server = new StandInServer({
    engine,
    executor: executor as Executor,
    logins: [
      { login: { name: 'sa', sid: Uint8Array.of(1), serverRoles: new Set(['sysadmin']) }, password: 'Pa$$w0rd-ü' },
    ],
    port: 0,
    loginTimeoutMs,
    report: error => void reported.push(error),
    tls: () => Promise.reject(new Error('this server has no certificate')),
    forceEncryption: false,
    ...encryption,
  });
  return { server, port: await server.listen(), attached, reported };
}

export const driverConfig = (port: number) => ({
  server: '127.0.0.1',
  port,
  user: 'sa',
  password: 'Pa$$w0rd-ü',
  database: 'master',
  options: { encrypt: false, trustServerCertificate: true },
  pool: { max: 1, min: 0 },
});

/** Waits until `condition` holds; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5));
}
