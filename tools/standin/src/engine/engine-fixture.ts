/** For tests: an engine in a throw-away folder and sessions that are not connections. */
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from './engine.ts';
import { tableOf } from './table-text.ts';
import type { EngineOptions } from './options.ts';
import type { Database, Engine, Message, ResultColumn, ResultSink, Row, Session, Table } from '../contract.ts';

export type Fixture = {
  readonly folder: string;
  readonly engine: () => Engine;
  session(database?: string): TestSession;
  /** Stops and starts the instance on the same folder. `meanwhile`: what happens to its files while it is down. */
  restart(meanwhile?: () => Promise<void>): Promise<Engine>;
  end(): Promise<void>;
};

export type TestSession = Session & { readonly abort: (reason: string) => void; readonly killed: () => boolean };

export function login(): Session['login'] {
  return { name: 'sa', sid: Uint8Array.of(1), serverRoles: new Set(['sysadmin']) };
}

export function engineOptions(folder: string, part: Partial<EngineOptions> = {}): EngineOptions {
  let seed = 42;
  return {
    dataFolder: join(folder, 'instance'),
    serverName: 'TEST\\ONE',
    majorVersion: 16,
    pathMap: { 'D:\\Data': join(folder, 'data'), '\\\\share\\bts': join(folder, 'share') },
    logins: [login()],
    clock: () => new Date(),
    random: () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed / 2_147_483_648;
    },
    ...part,
  };
}

export async function startFixture(part: Partial<EngineOptions> = {}): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'standin-'));
  for (const name of ['data', 'share', 'instance']) await mkdir(join(folder, name));
  const options = engineOptions(folder, part);
  let engine = await createEngine(options);
  let spid = 51;
  return {
    folder,
    engine: () => engine,
    session: database => createSession(engine, spid++, database ?? 'master'),
    restart: async meanwhile => {
      await engine.close();
      await meanwhile?.();
      engine = await createEngine(options);
      return engine;
    },
    end: async () => {
      await engine.close();
      await rm(folder, { recursive: true });
    },
  };
}

export function createSession(engine: Engine, spid: number, databaseName: string): TestSession {
  const database = engine.database(databaseName);
  if (database === undefined) throw new Error(`no database ${databaseName}`);
  const controller = new AbortController();
  let killed = false;
  const session: TestSession = {
    spid,
    login: login(),
    hostName: 'host',
    programName: 'test',
    loginTime: engine.clock(),
    encrypted: false,
    database,
    options: { xactAbort: false, implicitTransactions: false, noCount: false, lockTimeoutMs: -1, dateFirst: 7 },
    transaction: undefined,
    nesting: 0,
    signal: controller.signal,
    request: undefined,
    kill: () => {
      killed = true;
      controller.abort('kill');
      void engine.detach(session);
    },
    abort: reason => controller.abort(reason),
    killed: () => killed,
  };
  engine.attach(session);
  return session;
}

/** Collects what a statement would send. */
export type Collected = ResultSink & {
  readonly messages: Message[];
  readonly columnSets: (readonly ResultColumn[])[];
  readonly rows: Row[];
  /** The rows as objects, strings for decimals. */
  objects(): readonly Readonly<Record<string, unknown>>[];
};

export function collect(onFlush: () => Promise<void> = () => Promise.resolve()): Collected {
  const messages: Message[] = [];
  const columnSets: (readonly ResultColumn[])[] = [];
  const rows: Row[] = [];
  return {
    messages,
    columnSets,
    rows,
    columns: columns => void columnSets.push(columns),
    row: values => void rows.push(values),
    info: message => void messages.push(message),
    error: message => void messages.push(message),
    done: () => undefined,
    database: () => undefined,
    transaction: () => undefined,
    flush: onFlush,
    objects: () =>
      rows.map(row =>
        Object.fromEntries((columnSets.at(-1) ?? []).map((column, index) => [column.name, plain(row[index])])),
      ),
  };
}

function plain(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && 'unscaled' in value) return String(value.unscaled);
  return value;
}

/** A table `t (id int primary key, v nvarchar(100))` in `database`. */
export async function makeTable(engine: Engine, session: Session, database: Database, name = 't'): Promise<Table> {
  const transaction = engine.begin(session, undefined);
  const definition = tableOf(name, 'id int not null, v nvarchar(100)', { primary: ['id'] });
  const table = await transaction.createTable(database, definition);
  await transaction.commit();
  return table;
}

export async function readAll(engine: Engine, session: Session, table: Table): Promise<readonly Row[]> {
  const transaction = engine.begin(session, undefined);
  const rows: Row[] = [];
  for await (const { row } of transaction.scan(table, 'read')) rows.push(row);
  await transaction.commit();
  return rows;
}

export async function put(engine: Engine, session: Session, table: Table, id: number, v: string): Promise<void> {
  const transaction = engine.begin(session, undefined);
  await transaction.insert(table, [BigInt(id), v]);
  await transaction.commit();
}

/** The numbers of a failure's messages, for `expect`. */
export async function failureOf(work: Promise<unknown>): Promise<readonly number[]> {
  try {
    await work;
  } catch (failure) {
    if (failure instanceof Error && 'messages' in failure) {
      return (failure.messages as readonly Message[]).map(message => message.number);
    }
    throw failure;
  }
  return [];
}
