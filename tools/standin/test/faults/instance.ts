/** A whole instance in this process, reached over TDS with the product's driver, and its control port. */
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sql from 'mssql';
import { readConfig } from '../../src/config.ts';
import { startService } from '../../src/service.ts';
import type { FaultSwitches } from '../../src/faults/fault-switches.ts';

export type WireBench = {
  /** Set and cleared over the control port. */
  readonly control: string;
  readonly controlPort: number;
  connect(options?: {
    readonly user?: string;
    readonly timeoutMs?: number;
    readonly cancelMs?: number;
  }): Promise<Client>;
  isSet(fault: string): Promise<boolean>;
  end(): Promise<void>;
};

export type Client = {
  /** Cells of the first row; throws the driver's error. */
  ask(text: string): Promise<readonly unknown[]>;
  request(): sql.Request;
  close(): Promise<void>;
};

export async function startInstance(...faults: readonly string[]): Promise<WireBench> {
  const folder = await mkdtemp(join(tmpdir(), 'standin-faults-'));
  for (const name of ['data', 'share', 'instance']) await mkdir(join(folder, name));
  const mistakes: unknown[] = [];
  const config = readConfig(
    [
      ...['--data', join(folder, 'instance'), '--name', 'FAULTY\\ONE', '--login', 'sa', '--no-agent'],
      ...['--map', `D:\\Data=${join(folder, 'data')}`, '--map', `\\\\share\\bts=${join(folder, 'share')}`],
      ...faults.flatMap(fault => ['--fault', fault]),
    ],
    { STANDIN_PASSWORD: 'sesame' },
  );
  const service = await startService(config, error => void mistakes.push(error));
  const control = `http://127.0.0.1:${service.controlPort}`;
  const open = new Set<sql.ConnectionPool>();
  return {
    control,
    controlPort: service.controlPort,
    connect: async ({ user = 'sa', timeoutMs = 60_000, cancelMs = 30_000 } = {}) => {
      const pool = new sql.ConnectionPool({
        server: '127.0.0.1',
        port: service.port,
        user,
        password: 'sesame',
        connectionTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        pool: { max: 1, min: 0 },
        options: { encrypt: false, trustServerCertificate: true, cancelTimeout: cancelMs },
      });
      // A connection that is lost while it is idle.
      pool.on('error', () => undefined);
      open.add(pool);
      await pool.connect();
      return {
        ask: async text => {
          const { recordsets } = await pool.request().query<Record<string, unknown>[]>(text);
          return Object.values(recordsets[0]?.[0] ?? {});
        },
        request: () => pool.request(),
        close: async () => {
          open.delete(pool);
          await pool.close();
        },
      };
    },
    isSet: async fault => {
      const answer = (await (await fetch(`${control}/faults`)).json()) as { faults: ReturnType<FaultSwitches['list']> };
      return answer.faults.some(({ name, set }) => name === fault && set !== null);
    },
    end: async () => {
      for (const pool of open) await pool.close();
      await service.close();
      await rm(folder, { recursive: true });
      if (mistakes.length > 0) throw new Error('the stand-in made mistakes', { cause: mistakes });
    },
  };
}
