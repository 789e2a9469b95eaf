import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Agent } from './agent/agent.ts';
import { registerAgent } from './agent/register-agent.ts';
import { createRegistry, registerCatalogue } from './catalogue/catalogue.ts';
import { InstanceClock } from './clock.ts';
import { ClockControl } from './clock-control.ts';
import { registerBizTalk } from './biztalk/biztalk.ts';
import { tlsContexts } from './certificate.ts';
import type { Config } from './config.ts';
import type { Session } from './contract.ts';
import { startControl } from './control.ts';
import { createEngine } from './engine/engine.ts';
import { faultsWith } from './faults/fault-switches.ts';
import { claimFolder } from './folder-claim.ts';
import { placeHook } from './kill-point.ts';
import { startPeers } from './linked/peer-service.ts';
import { peerDirectory } from './linked/peers.ts';
import { unsupportedCount } from './messages.ts';
import { utcOffsetMinutes } from './time-zone.ts';
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
  const leave = await claimFolder(dataFolder);
  const log = new FileStatementLog(join(dataFolder, 'log', 'statements.jsonl'));
  const passed = placeHook(config.killPoint);
  const faults = faultsWith(...config.faults);
  const time = clockOf(config, faults);
  const { clock } = time;
  const engine = await createEngine({
    dataFolder,
    serverName,
    majorVersion,
    pathMap,
    logins: config.logins.map(({ login }) => login),
    clock: clock.now,
    utcOffsetMinutes: time.offsetMinutes,
    waitUntil: (moment, signal, sleeper) => clock.waitUntil(moment, signal, sleeper),
    random,
    hasty: config.hasty,
    faults,
    ...(config.markTimeoutMs === undefined ? {} : { markDrainTimeoutMs: config.markTimeoutMs }),
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
  const agent = new Agent({ engine, clock, running: config.agentRuns, report: reportBroken });
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
    clock: new ClockControl({ ...time, schedules: agent, mayGoBack: () => faults.marks.clockMayGoBack() }),
    health: () => ({ ready: true, name: serverName, pid: process.pid }),
    statistics: () => ({
      statements: log.statements,
      unsupported: unsupportedCount(),
      broken,
      sessions: engine.sessions().length,
    }),
  });
  const port = await server.listen();
  const told = { passed: (place: string) => passed?.(place), report: reportBroken };
  const peers = await peersOf(config, { engine, executor, door: server, ...told });
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
      clock.close();
      await leave();
    },
    closing: () => (phase === 'connections' ? `connections: ${engine.sessions().map(describe).join(', ')}` : phase),
  };
}

type PeerHost = Omit<Parameters<typeof startPeers>[0], 'file' | 'port'>;

async function peersOf(
  { peersFile: file, peerPort: port }: Config,
  host: PeerHost,
): Promise<Awaited<ReturnType<typeof startPeers>> | undefined> {
  return file === undefined ? undefined : startPeers({ file, port, ...host });
}

function describe({ spid, request }: Session): string {
  return `${spid} ${request?.command ?? 'idle'} ${request?.waitType ?? ''}`.trim();
}

const randomStep = 6;
/** Drawn ahead: a GUID takes 16 of them, a backup six GUIDs. */
let drawn = randomBytes(randomStep * 512);
let drawnAt = 0;

/** It shows local time. */
function clockOf(
  config: Config,
  faults: ReturnType<typeof faultsWith>,
): { readonly clock: InstanceClock; readonly offsetMinutes: number } {
  const { timeZone, clockStart } = config;
  const offsetMinutes = timeZone === undefined ? 0 : (utcOffsetMinutes(timeZone, clockStart ?? new Date()) ?? 0);
  const clock = new InstanceClock({
    startAt: clockStart,
    aheadMs: offsetMinutes * 60_000,
    rate: config.clockRate,
    skewMs: () => faults.marks.clockSkewMs(),
  });
  return { clock, offsetMinutes };
}

/** In [0, 1) as Math.random, but never the same in two instances: GUIDs are drawn from it. */
function random(): number {
  if (drawnAt === drawn.length) {
    drawn = randomBytes(drawn.length);
    drawnAt = 0;
  }
  drawnAt += randomStep;
  return drawn.readUIntBE(drawnAt - randomStep, randomStep) / 2 ** 48;
}
