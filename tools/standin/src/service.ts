import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Agent } from './agent/agent.ts';
import { registerAgent } from './agent/register-agent.ts';
import { createRegistry, registerCatalogue } from './catalogue/catalogue.ts';
import { registerBizTalk } from './biztalk/biztalk.ts';
import { tlsContexts } from './certificate.ts';
import type { Config } from './config.ts';
import type { Session } from './contract.ts';
import { startControl } from './control.ts';
import { createEngine } from './engine/engine.ts';
import { FaultSwitches } from './fault-switches.ts';
import { placeHook } from './kill-point.ts';
import { startPeers } from './linked/peer-service.ts';
import { peerDirectory } from './linked/peers.ts';
import { unsupportedCount } from './messages.ts';
import { StandInServer } from './server.ts';
import { createExecutor } from './sql/executor.ts';
import { FileStatementLog } from './statement-log.ts';

export type Service = {
  readonly port: number;
  readonly controlPort: number;
  /** undefined: started without peers. */
  readonly peerPort: number | undefined;
  close(): Promise<void>;
  /** What `close` is busy with. */
  closing(): string;
};

const loginTimeoutMs = 15_000;

/** One instance: engine, catalogue, executor, TDS server and control port, in this order; stopped in reverse. */
export async function startService(config: Config, report: (error: unknown) => void): Promise<Service> {
  const { dataFolder, serverName, majorVersion, pathMap } = config;
  const clock = runningClock(config.clockStart);
  const log = new FileStatementLog(join(dataFolder, 'log', 'statements.jsonl'));
  const passed = placeHook(config.killPoint);
  const faults = new FaultSwitches();
  const engine = await createEngine({
    dataFolder,
    serverName,
    majorVersion,
    pathMap,
    logins: config.logins.map(({ login }) => login),
    clock,
    random,
    faults: { ...config.faults, restorePace: () => faults.restorePace() },
    ...(config.peersFile === undefined ? {} : { peers: peerDirectory(config.peersFile) }),
    ...(passed === undefined ? {} : { passed }),
  });
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  registerBizTalk(registry, engine);
  let broken = 0;
  const reportBroken = (error: unknown): void => {
    broken += 1;
    report(error);
  };
  const agent = new Agent({ engine, running: config.agentRuns, report: reportBroken });
  registerAgent(registry, agent);
  const executor = createExecutor(engine, registry, log);
  const agentStarted = agent.start(executor);
  // A mark in doubt holds back every commit here, the Agent's own too, until its coordinator can be asked: the instance serves meanwhile.
  if (engine.branches.inDoubt().length === 0) await agentStarted;
  else agentStarted.catch(reportBroken);
  const tls = tlsContexts(config.keyPair, join(dataFolder, 'tls'), serverName);
  // Who cannot be served without a certificate is not told "ready" before there is one.
  if (config.forceEncryption) await tls();
  const server = new StandInServer({
    engine,
    executor,
    logins: config.logins,
    port: config.port,
    loginTimeoutMs,
    report: reportBroken,
    tls,
    forceEncryption: config.forceEncryption,
  });
  const control = await startControl({
    port: config.controlPort,
    faults,
    health: () => ({ ready: true, name: serverName, pid: process.pid }),
    statistics: () => ({
      statements: log.statements,
      unsupported: unsupportedCount(),
      broken,
      sessions: engine.sessions().length,
    }),
  });
  const port = await server.listen();
  const peers =
    config.peersFile === undefined
      ? undefined
      : await startPeers({
          file: config.peersFile,
          port: config.peerPort,
          engine,
          executor,
          door: server,
          passed: place => passed?.(place),
          report: reportBroken,
        });
  passed?.('ready');
  let phase = 'nothing';
  return {
    port,
    controlPort: control.port,
    peerPort: peers?.port,
    close: async () => {
      phase = 'the control port';
      await control.close();
      phase = 'jobs';
      await agent.close();
      phase = 'peers';
      await peers?.close();
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
