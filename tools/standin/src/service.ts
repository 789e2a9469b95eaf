import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createRegistry, registerCatalogue } from './catalogue/catalogue.ts';
import { registerBizTalk } from './biztalk/biztalk.ts';
import type { Config } from './config.ts';
import type { Session } from './contract.ts';
import { startControl } from './control.ts';
import { createEngine } from './engine/engine.ts';
import { placeHook } from './kill-point.ts';
import { unsupportedCount } from './messages.ts';
import { StandInServer } from './server.ts';
import { createExecutor } from './sql/executor.ts';
import { FileStatementLog } from './statement-log.ts';

export type Service = {
  readonly port: number;
  readonly controlPort: number;
  close(): Promise<void>;
  /** What `close` is busy with. */
  closing(): string;
};

const loginTimeoutMs = 15_000;

/** One instance: engine, catalogue, executor, TDS server and control port, in this order; stopped in reverse. */
export async function startService(config: Config, report: (error: unknown) => void): Promise<Service> {
  const { dataFolder, serverName, majorVersion, pathMap } = config;
  const logins = config.logins.map(entry => entry.login);
  const clock = runningClock(config.clockStart);
  const log = new FileStatementLog(join(dataFolder, 'log', 'statements.jsonl'));
  const passed = placeHook(config.killPoint);
  const engine = await createEngine({
    dataFolder,
    serverName,
    majorVersion,
    pathMap,
    logins,
    clock,
    random,
    ...(passed === undefined ? {} : { passed }),
  });
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  registerBizTalk(registry, engine);
  let broken = 0;
  const server = new StandInServer({
    engine,
    executor: createExecutor(engine, registry, log),
    logins: config.logins,
    port: config.port,
    loginTimeoutMs,
    report: error => {
      broken += 1;
      report(error);
    },
  });
  const control = await startControl({
    port: config.controlPort,
    health: () => ({ ready: true, name: serverName, pid: process.pid }),
    statistics: () => ({
      statements: log.statements,
      unsupported: unsupportedCount(),
      broken,
      sessions: engine.sessions().length,
    }),
  });
  const port = await server.listen();
  passed?.('ready');
  let phase = 'nothing';
  return {
    port,
    controlPort: control.port,
    close: async () => {
      phase = 'the control port';
      await control.close();
      phase = 'connections';
      await server.close();
      phase = 'databases';
      await engine.close();
      log.close();
    },
    closing: () => (phase === 'connections' ? `connections: ${engine.sessions().map(describe).join(', ')}` : phase),
  };
}

function describe({ spid, request }: Session): string {
  return `${spid} ${request?.command ?? 'idle'} ${request?.waitType ?? ''}`.trim();
}

/** Starts at the given time and runs on with this machine's. */
function runningClock(start: Date | undefined): () => Date {
  if (start === undefined) return () => new Date();
  const ahead = start.getTime() - Date.now();
  return () => new Date(Date.now() + ahead);
}

/** In [0, 1) as Math.random, but never the same in two instances: GUIDs are drawn from it. */
function random(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
}
