/** For tests: instances of one process that reach each other through their peer ports, and sessions that run T-SQL at them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry, registerCatalogue } from '../catalogue/catalogue.ts';
import { createSession, engineOptions, login, type TestSession } from '../engine/engine-fixture.ts';
import { createEngine, type LocalEngine } from '../engine/engine.ts';
import { StoredDatabase } from '../engine/stored-database.ts';
import { StandInServer } from '../server.ts';
import { createExecutor } from '../sql/executor.ts';
import { recordingSink, plain, type Answer } from '../sql/sql-fixture.ts';
import { peerDirectory, readPeers } from './peers.ts';
import { startPeerServer, type PeerServer } from './peer-server.ts';
import { startResolver, type Resolver } from './resolver.ts';
import type { EngineOptions } from '../engine/options.ts';
import type { LogRecord } from '../engine/log-records.ts';
import type { Executor, ObjectRegistry } from '../contract.ts';

export type Member = {
  readonly name: string;
  readonly engine: LocalEngine;
  readonly mistakes: unknown[];
  session(database?: string): TestSession;
  run(text: string, session: TestSession): Promise<Answer>;
  /** Rows of the last result set; throws on an error. */
  rows(text: string, session?: TestSession): Promise<unknown[][]>;
  errors(text: string, session: TestSession): Promise<number[]>;
  log(database: string): readonly LogRecord[];
  /** Stops in order; the same name may be started again on its files. */
  readonly close: () => Promise<void>;
};

export type Group = {
  start(name: string, part?: Partial<EngineOptions>): Promise<Member>;
  /** Ends whatever runs and the folders. */
  end(): Promise<void>;
};

/** What an instance has besides its catalogue: the Agent, BizTalk's objects. */
export type Addition = { start(executor: Executor): Promise<void>; close(): Promise<void> };
export type Additions = (registry: ObjectRegistry, engine: LocalEngine) => Addition;

export async function startGroup(additions?: Additions): Promise<Group> {
  const folder = await mkdtemp(join(tmpdir(), 'standin-group-'));
  const file = join(folder, 'peers.json');
  const instances: Record<string, string> = {};
  const save = (): Promise<void> => writeFile(file, JSON.stringify({ secret: 'open sesame', instances }));
  await save();
  const members = new Set<Member>();
  return {
    start: async (name, part = {}) => {
      const own = join(folder, name.replaceAll('\\', '-'));
      for (const each of ['data', 'instance']) await mkdir(join(own, each), { recursive: true });
      const pathMap = { 'D:\\Data': join(own, 'data'), '\\\\share\\bts': folder };
      const options = { ...engineOptions(own), serverName: name, pathMap, peers: peerDirectory(file), ...part };
      const tellPort = (port: number): Promise<void> => {
        instances[name] = `127.0.0.1:${port}`;
        return save();
      };
      const member = await startMember({ ...options, random: Math.random }, { file, tellPort, additions });
      members.add(member);
      return { ...member, close: () => (members.delete(member), member.close()) };
    },
    end: async () => {
      for (const member of members) await member.close();
      await rm(folder, { recursive: true });
    },
  };
}

type Place = {
  readonly file: string;
  readonly tellPort: (port: number) => Promise<void>;
  readonly additions: Additions | undefined;
};

async function startMember(options: EngineOptions, { file, tellPort, additions }: Place): Promise<Member> {
  const name = options.serverName;
  const mistakes: unknown[] = [];
  const report = (error: unknown): void => void mistakes.push(error);
  const engine = await createEngine(options);
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  const addition = additions?.(registry, engine);
  const executor = createExecutor(engine, registry, { write: () => undefined });
  await addition?.start(executor);
  const logins = [{ login: login(), password: 'x' }];
  const door = new StandInServer({
    engine,
    executor,
    logins,
    port: 0,
    loginTimeoutMs: 1000,
    report,
    tls: () => Promise.reject(new Error('no TLS here')),
    forceEncryption: false,
  });
  await door.listen();
  const passed = (place: string): void => options.passed?.(place);
  const secret = async (): Promise<string> => (await readPeers(file)).secret;
  const peers: PeerServer = await startPeerServer({ engine, executor, door, passed, report, port: 0, secret });
  await tellPort(peers.port);
  const resolver: Resolver = startResolver({
    branches: engine.branches,
    directory: peerDirectory(file),
    serverName: name,
    pause: () => new Promise(resolve => setTimeout(resolve, 20)),
    report,
  });
  let spid = 1000;
  const sessions: TestSession[] = [];
  const session = (database = 'master'): TestSession => {
    const fresh = createSession(engine, spid++, database);
    sessions.push(fresh);
    return fresh;
  };
  const run = async (text: string, by: TestSession): Promise<Answer> => {
    const { sink, answer } = recordingSink();
    await executor.batch(by, text, sink);
    return answer;
  };
  return {
    name,
    engine,
    mistakes,
    session,
    run,
    rows: async (text, by = session()) => {
      const { errors, sets } = await run(text, by);
      if (errors.length > 0) throw new Error(errors.map(each => `${each.number}: ${each.text}`).join('; '));
      return (sets.at(-1)?.rows ?? []).map(row => row.map(plain));
    },
    errors: async (text, by) => (await run(text, by)).errors.map(each => each.number),
    log: database => {
      const found = engine.database(database);
      if (!(found instanceof StoredDatabase)) throw new Error(`no database ${database}`);
      return found.log.records(0n, found.log.nextLsn);
    },
    close: async () => {
      await addition?.close();
      await resolver.stop();
      for (const each of sessions) await engine.detach(each);
      await peers.close();
      await door.close();
      await engine.close();
    },
  };
}
