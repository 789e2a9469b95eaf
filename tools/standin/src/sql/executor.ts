/** The way in: batches, calls and transaction-manager requests of a session, one at a time. */
import { fail, isFailure } from '../messages.ts';
import type { Engine, Executor, ObjectRegistry, ResultSink, RpcParameter, Session, StatementLog } from '../contract.ts';
import { silentSink } from '../silent-sink.ts';
import type { TypedValue } from '../values.ts';
import { bindCondition } from './bind-condition.ts';
import { isBuiltIn } from './built-in-procedures.ts';
import { NO_COMMAND } from './commands.ts';
import { BatchAborted, endBatch, Execution, failed } from './execution.ts';
import { splitName } from './functions-system.ts';
import { Levels } from './levels.ts';
import { callProcedure, executeStatement, type Argument } from './procedures.ts';
import { bindQuery } from './query.ts';
import { createSessionState, type Run, type SessionState } from './session-state.ts';
import { perform } from './statements.ts';
import { dropAll } from './tables-run.ts';
import { begin, commit, rollback, rollbackAll, save } from './transactions.ts';

export function createExecutor(engine: Engine, registry: ObjectRegistry, log: StatementLog): Executor {
  return new StatementExecutor(engine, registry, log);
}

/** Of one call, those included that sp_executesql takes for its statement (learn.microsoft.com: maximum capacity specifications). */
const mostParameters = 2100;

type Request = Parameters<Executor['transactionManager']>[1];

class StatementExecutor implements Executor {
  readonly #engine: Engine;
  readonly #registry: ObjectRegistry;
  readonly #levels: Levels;
  readonly #states = new WeakMap<Session, SessionState>();

  constructor(engine: Engine, registry: ObjectRegistry, log: StatementLog) {
    this.#engine = engine;
    this.#registry = registry;
    const execution = new Execution(
      (run, statement) => perform(run, statement, (at, each) => executeStatement(at, each, this.#levels)),
      log,
    );
    this.#levels = new Levels(execution);
  }

  async batch(session: Session, text: string, sink: ResultSink): Promise<void> {
    const run = this.#start(session, sink);
    await this.#guarded(run, text, async () => {
      const statements = this.#levels.parse(text);
      await this.#levels.execution.statements(run, statements);
      await endBatch(run);
    });
  }

  async call(
    session: Session,
    procedure: string,
    parameters: readonly RpcParameter[],
    sink: ResultSink,
  ): ReturnType<Executor['call']> {
    const run = this.#start(session, sink);
    // By their parameters: several may have no name.
    const outputs = new Map<RpcParameter, TypedValue>();
    const args = parameters.map((parameter): Argument => ({
      name: parameter.name === '' ? undefined : parameter.name,
      value: parameter.value,
      output: parameter.output ? value => void outputs.set(parameter, value) : undefined,
    }));
    let status = 0;
    const parts = splitName(procedure);
    const called = (): Promise<number> => callProcedure(run, parts, args, this.#levels);
    await this.#guarded(run, procedure, async () => {
      if (parameters.length > mostParameters) throw fail(8003, String(mostParameters));
      // The statements in the text of sp_executesql and its kin leave their own lines.
      status = await (isBuiltIn(parts.at(-1) ?? '') ? called() : this.#levels.execution.logged(run, procedure, called));
      await endBatch(run);
    });
    return {
      status,
      outputs: parameters.flatMap((parameter, ordinal) => {
        const value = outputs.get(parameter);
        return value === undefined ? [] : [{ ordinal, name: parameter.name, value }];
      }),
    };
  }

  async transactionManager(session: Session, request: Request, sink: ResultSink): Promise<void> {
    const run = this.#start(session, sink);
    const text = `transaction manager: ${request.operation}`;
    await this.#guarded(run, text, async () => {
      await this.#levels.execution.logged(run, text, () => manage(run, request));
      run.sink.done({ command: NO_COMMAND });
    });
  }

  async reset(session: Session): Promise<void> {
    const state = this.#states.get(session);
    if (state === undefined) return;
    const run = this.#start(session, silentSink);
    await rollbackAll(run);
    await dropAll(run, [...state.temporary.values()]);
    this.#states.delete(session);
  }

  #start(session: Session, sink: ResultSink): Run {
    const state = this.#states.get(session) ?? createSessionState();
    this.#states.set(session, state);
    return {
      engine: this.#engine,
      registry: this.#registry,
      session,
      state,
      sink,
      home: undefined,
      variables: new Map(),
      declared: new Map(),
      tableVariables: new Map(),
      temporary: [],
      level: 0,
      procedure: undefined,
      scopeIdentity: state.scopeIdentity,
      tryDepth: 0,
      caught: undefined,
      now: this.#engine.clock(),
      transaction: undefined,
      fetched: undefined,
      binder: { query: bindQuery, condition: bindCondition },
    };
  }

  /** Failures outside of any statement (a parse, a call) are told here; an aborted request ends without another word, the server answers it. */
  async #guarded(run: Run, text: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (run.session.signal.aborted) {
        await this.#aborted(run);
        return;
      }
      if (error instanceof BatchAborted) return;
      if (!isFailure(error)) throw error;
      this.#levels.execution.logRefused(run, text, error);
      await this.#tell(run, error);
    } finally {
      run.state.scopeIdentity = run.scopeIdentity;
      if (!run.session.signal.aborted && run.tableVariables.size > 0)
        await dropAll(run, [...run.tableVariables.values()]);
    }
  }

  async #tell(run: Run, error: Parameters<typeof failed>[1]): Promise<void> {
    const line = 1;
    const messages = error.messages.map(each => (each.line === undefined ? { ...each, line } : each));
    try {
      await failed(run, Object.assign(error, { messages }), NO_COMMAND);
    } catch (aborted) {
      if (!(aborted instanceof BatchAborted)) throw aborted;
    }
  }

  /** XACT_ABORT lets an attention roll back too; without it the transaction stays open. */
  async #aborted(run: Run): Promise<void> {
    run.tryDepth = 0;
    if (run.session.options.xactAbort || run.session.transaction?.state === 'doomed') await rollbackAll(run);
  }
}

async function manage(run: Run, request: Request): Promise<void> {
  const name = request.name === '' ? undefined : request.name;
  const named = name === undefined ? undefined : ({ kind: 'text', text: name } as const);
  switch (request.operation) {
    case 'begin':
      if (run.session.transaction === undefined) begin(run, name);
      else run.session.nesting += 1;
      return;
    case 'commit':
      await commit(run);
      break;
    case 'rollback':
      await rollback(run, named);
      break;
    case 'save':
      if (named === undefined) throw fail(628);
      save(run, named);
      return;
  }
  if (request.beginNext === true && run.session.transaction === undefined) begin(run, undefined);
}
