/**
 * For tests: two instances in one process, the second one linked from the first. Linked servers stand here for themselves: the text runs on the
 * second engine in a session that belongs to the caller's, and both transactions end one after the other, without a prepared state.
 */
import { createRegistry, registerCatalogue } from '../catalogue/catalogue.ts';
import { createSession, startFixture, type Fixture, type TestSession } from '../engine/engine-fixture.ts';
import { fail, SqlError } from '../messages.ts';
import type {
  Engine,
  Executor,
  LinkedServer,
  LinkedServers,
  RemoteAnswer,
  RemoteRequest,
  RpcParameter,
  Session,
  Transaction,
} from '../contract.ts';
import type { SqlType } from '../values.ts';
import { createExecutor } from './executor.ts';
import { plain, recordingSink, type Answer } from './sql-fixture.ts';

export const ONE = 'TEST\\ONE';
export const TWO = 'TEST\\TWO';

export type Side = {
  readonly run: (text: string) => Promise<Answer>;
  readonly rows: (text: string) => Promise<unknown[][]>;
};
export type Pair = {
  readonly one: Side & { readonly session: TestSession };
  readonly two: Side;
  /** What the linked server was asked, in order. */
  readonly asked: RemoteRequest[];
  end(): Promise<void>;
};

export async function startPair(): Promise<Pair> {
  const fixtures = [await startFixture({ serverName: ONE }), await startFixture({ serverName: TWO })] as const;
  const there = executorOf(fixtures[1].engine());
  const asked: RemoteRequest[] = [];
  const engine = linkedEngine(fixtures[0].engine(), fixtures[1], there, asked);
  const here = executorOf(engine);
  const session = createSession(engine, 51, 'master');
  const second = fixtures[1].session();
  return {
    one: { ...sideOf(here, session), session },
    two: sideOf(there, second),
    asked,
    end: async () => {
      for (const each of fixtures) await each.end();
    },
  };
}

function executorOf(engine: Engine): Executor {
  const registry = createRegistry();
  registerCatalogue(registry, engine);
  return createExecutor(engine, registry, { write: () => undefined });
}

function sideOf(executor: Executor, session: Session): Side {
  const run = async (text: string): Promise<Answer> => {
    const { sink, answer } = recordingSink();
    await executor.batch(session, text, sink);
    return answer;
  };
  return {
    run,
    rows: async text => {
      const { errors, sets } = await run(text);
      if (errors.length > 0) throw new Error(errors.map(each => `${each.number}: ${each.text}`).join('; '));
      return (sets.at(-1)?.rows ?? []).map(row => row.map(plain));
    },
  };
}

type Branches = Map<Session, TestSession>;

function linkedEngine(engine: Engine, other: Fixture, there: Executor, asked: RemoteRequest[]): Engine {
  const sessions: Branches = new Map();
  const servers: LinkedServer[] = [];
  const found = (name: string): LinkedServer | undefined =>
    servers.find(each => each.name.toLowerCase() === name.toLowerCase());
  const linked: LinkedServers = {
    list: () => servers,
    find: found,
    add: server => {
      servers.push({ ...server, id: servers.length + 1, rpc: false, rpcOut: false, dataAccess: true });
      return Promise.resolve();
    },
    drop: name => Promise.resolve(void servers.splice(servers.indexOf(found(name) ?? raise(7202, name)), 1)),
    set: (name, option, on) => {
      const at = servers.indexOf(found(name) ?? raise(7202, name));
      const key = option === 'data access' ? 'dataAccess' : option === 'rpc out' ? 'rpcOut' : 'rpc';
      servers[at] = { ...(servers[at] ?? raise(7202, name)), [key]: on };
      return Promise.resolve();
    },
    ask: async (session, name, request) => {
      const server = found(name) ?? raise(7202, name);
      if (!(request.kind === 'query' ? server.dataAccess : server.rpcOut))
        throw fail(7411, server.name, request.kind === 'query' ? 'DATA ACCESS' : 'RPC');
      asked.push(request);
      const remote = sessions.get(session) ?? other.session();
      sessions.set(session, remote);
      remote.options.xactAbort = session.options.xactAbort;
      await other.engine().use(remote, request.database);
      if (session.transaction !== undefined && remote.transaction === undefined) {
        if (!session.transaction.distributed) session.transaction.promote();
        remote.transaction = other.engine().begin(remote, undefined);
        remote.nesting = 1;
      }
      return call(there, remote, request);
    },
  };
  return { ...engine, linked, begin: (session, name) => distributable(engine.begin(session, name), session, sessions) };
}

function raise(number: number, ...args: readonly string[]): never {
  throw fail(number, ...args);
}

function distributable(transaction: Transaction, session: Session, sessions: Branches): Transaction {
  let distributed = false;
  const commit = transaction.commit.bind(transaction);
  const rollback = transaction.rollback.bind(transaction);
  const end = async (how: 'commit' | 'rollback'): Promise<void> => {
    const remote = sessions.get(session);
    if (!distributed || remote?.transaction === undefined) return;
    await remote.transaction[how]();
    remote.transaction = undefined;
    remote.nesting = 0;
  };
  Object.defineProperties(transaction, {
    distributed: { get: () => distributed },
    promote: { value: () => void (distributed = true) },
    commit: { value: () => end('commit').then(commit) },
    rollback: { value: () => end('rollback').then(rollback) },
  });
  return transaction;
}

async function call(executor: Executor, session: Session, request: RemoteRequest): Promise<RemoteAnswer> {
  const { sink, answer } = recordingSink();
  const text = (value: string): RpcParameter => ({
    name: '',
    output: false,
    value: { type: { name: 'nvarchar', length: 'max' }, value },
  });
  const declarations = request.parameters.map(
    ({ name, output, value }) => `${name} ${declared(value.type)}${output ? ' OUTPUT' : ''}`,
  );
  const parameters =
    declarations.length === 0
      ? [text(request.text)]
      : [text(request.text), text(declarations.join(', ')), ...request.parameters];
  const { outputs } = await executor.call(session, 'sp_executesql', parameters, sink);
  if (answer.errors.length > 0) throw new SqlError(answer.errors, 'statement');
  return {
    resultSets: answer.sets,
    rowCount: answer.ends.findLast(each => each.rowCount !== undefined)?.rowCount,
    outputs: new Map(outputs.map(({ name, value }) => [name, value])),
    infos: answer.infos.filter(each => each.number !== 5701),
  };
}

function declared({ name, length, precision, scale }: SqlType): string {
  if (precision !== undefined) return `${name}(${precision}, ${scale ?? 0})`;
  const size = length ?? scale;
  return size === undefined ? name : `${name}(${size})`;
}
