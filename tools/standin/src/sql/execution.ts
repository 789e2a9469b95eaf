/**
 * Control flow and the fate of failures. A failing statement is told to the client and the batch goes on, unless the failure says more: it ends
 * the batch, dooms the transaction, or a TRY block is around it. XACT_ABORT turns every failure but RAISERROR's into batch and transaction.
 */
import { isFailure, message, SqlError } from '../messages.ts';
import type { Message, Session, SqlFailure, StatementLog, StatementLogEntry } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { Condition, Statement } from './ast.ts';
import { bindCondition } from './bind-condition.ts';
import { EMPTY_FRAME } from './bound.ts';
import { commandName, commandOf, EXECUTE_COMMAND } from './commands.ts';
import { levelOf, raisedAt } from './failures.ts';
import { Loader } from './loader.ts';
import { statementText } from './parser.ts';
import { isRaised, markRaised, valueOf } from './raise.ts';
import { withFetched } from './remote-ask.ts';
import { namesServer } from './source-span.ts';
import type { Run } from './session-state.ts';
import { rollbackAll, withinTransaction } from './transactions.ts';
import { convert } from './convert.ts';
import { INT } from './types.ts';

export type Flow = 'next' | 'break' | 'continue' | { readonly status: SqlValue };

/** Everything was reported already; only the unwinding is left. `whole`: the outer levels end too. */
export class BatchAborted extends Error {
  readonly whole: boolean;

  constructor(whole: boolean) {
    super('the batch was aborted');
    this.name = 'BatchAborted';
    this.whole = whole;
  }
}

export type Perform = (run: Run, statement: Statement) => Promise<void>;

/** Runs the statements that control flow is made of; the others go to `perform`. */
export class Execution {
  readonly #perform: Perform;
  readonly #log: StatementLog;
  /** Failures that stand in the log. */
  readonly #told = new WeakSet<Error>();
  /** How many statements run within each other that have a line of the log. */
  readonly #depths = new WeakMap<Session, number>();
  #last = { ms: NaN, text: '' };

  constructor(perform: Perform, log: StatementLog) {
    this.#perform = perform;
    this.#log = log;
  }

  async statements(run: Run, statements: readonly Statement[]): Promise<Flow> {
    for (const statement of statements) {
      const flow = await this.#guarded(run, statement);
      if (flow !== 'next') return flow;
    }
    return 'next';
  }

  async #guarded(run: Run, statement: Statement): Promise<Flow> {
    run.session.signal.throwIfAborted();
    run.now = run.engine.clock();
    if (run.session.request !== undefined) run.session.request.command = commandName(statement);
    try {
      return await this.#flow(run, statement);
    } catch (error) {
      if (!isFailure(error) || run.session.signal.aborted) throw error;
      await failed(run, located(error, run, statement.line), commandOf(statement));
      return 'next';
    }
  }

  async #flow(run: Run, statement: Statement): Promise<Flow> {
    switch (statement.kind) {
      case 'block':
        return this.statements(run, statement.body);
      case 'if': {
        const holds = await conditionHolds(run, statement.condition);
        if (holds) return this.#guarded(run, statement.then);
        return statement.otherwise === undefined ? 'next' : this.#guarded(run, statement.otherwise);
      }
      case 'while':
        return this.#loop(run, statement);
      case 'break':
      case 'continue':
        return statement.kind;
      case 'return':
        return { status: statement.value === undefined ? null : await integerValue(run, statement.value) };
      case 'try':
        return this.#try(run, statement);
      case 'empty':
        return 'next';
      default:
        await this.#performed(run, statement);
        return 'next';
    }
  }

  async #loop(run: Run, statement: Extract<Statement, { kind: 'while' }>): Promise<Flow> {
    while (await conditionHolds(run, statement.condition)) {
      const flow = await this.#guarded(run, statement.body);
      if (flow === 'break') break;
      if (typeof flow === 'object') return flow;
      // A loop without I/O would otherwise keep an attention from ever being read.
      await new Promise(resolve => setImmediate(resolve));
    }
    return 'next';
  }

  async #try(run: Run, statement: Extract<Statement, { kind: 'try' }>): Promise<Flow> {
    const before = run.caught;
    run.tryDepth += 1;
    try {
      return await this.statements(run, statement.body);
    } catch (error) {
      if (!isFailure(error) || !isCatchable(error, run)) throw error;
      const last = error.messages[error.messages.length - 1];
      if (last === undefined) throw error;
      run.caught = { message: last };
    } finally {
      run.tryDepth -= 1;
    }
    try {
      return await this.statements(run, statement.handler);
    } finally {
      run.caught = before;
    }
  }

  /** Variables and settings are not worth a line. */
  async #performed(run: Run, statement: Statement): Promise<void> {
    if (['declare', 'declare table', 'set variable', 'set', 'print'].includes(statement.kind))
      return this.#perform(run, statement);
    await this.logged(run, statementText(statement), () => this.#perform(run, statement));
  }

  /** A call inside a TRY, as EXEC is one: with its lines, and a failure that says where it was. */
  async called<T>(run: Run, text: string, work: () => Promise<T>): Promise<T> {
    const { session } = run;
    session.signal.throwIfAborted();
    run.now = run.engine.clock();
    if (session.request !== undefined) session.request.command = 'EXECUTE';
    try {
      return await this.logged(run, text, work);
    } catch (error) {
      if (isFailure(error) && !session.signal.aborted) await failed(run, located(error, run, 1), EXECUTE_COMMAND);
      throw error;
    }
  }

  /** Leaves a line before `work` and one after it. */
  async logged<T>(run: Run, text: string, work: () => Promise<T>): Promise<T> {
    const startedAt = run.engine.clock();
    const { session } = run;
    const depth = this.#depths.get(session) ?? 0;
    const entryOf = (outcome: StatementLogEntry['outcome'], errors: readonly number[]): StatementLogEntry => {
      const at = run.engine.clock();
      const milliseconds = at.getTime() - startedAt.getTime();
      return {
        at: this.#written(at),
        spid: session.spid,
        program: session.programName,
        text,
        outcome,
        errors,
        milliseconds,
      };
    };
    const write: (...part: Parameters<typeof entryOf>) => void = (...part) => this.#log.write(entryOf(...part));
    write('started', []);
    this.#depths.set(session, depth + 1);
    try {
      const result = await work();
      // Within another statement: what the call answers comes after that one's line, which brings this one along.
      this.#log.write(entryOf('ok', []), { mayWait: depth > 0 });
      return result;
    } catch (error) {
      if (error instanceof Error) this.#told.add(error);
      if (session.signal.aborted) write('cancelled', []);
      else if (isFailure(error))
        write(
          isUnsupported(error.messages) ? 'unsupported' : 'failed',
          error.messages.map(each => each.number),
        );
      else write('failed', []);
      throw error;
    } finally {
      this.#depths.set(session, depth);
    }
  }

  /** Many lines have one time, above all while the clock stands. */
  #written(at: Date): string {
    const ms = at.getTime();
    if (ms !== this.#last.ms) this.#last = { ms, text: at.toISOString() };
    return this.#last.text;
  }

  /** A batch that never ran: its text is the witness. */
  logRefused(run: Run, text: string, failure: SqlFailure): void {
    if (this.#told.has(failure)) return;
    this.#log.write({
      at: run.engine.clock().toISOString(),
      spid: run.session.spid,
      program: run.session.programName,
      text,
      milliseconds: 0,
      outcome: isUnsupported(failure.messages) ? 'unsupported' : 'failed',
      errors: failure.messages.map(each => each.number),
    });
  }
}

function isUnsupported(messages: readonly Message[]): boolean {
  return messages.some(each => each.number === 50000 && each.state === 255);
}

async function conditionHolds(run: Run, condition: Condition): Promise<boolean> {
  if (!namesServer(condition)) return conditionHoldsHere(run, condition);
  return withFetched(run, condition, () => conditionHoldsHere(run, condition));
}

async function conditionHoldsHere(run: Run, condition: Condition): Promise<boolean> {
  const loader = new Loader();
  const bound = bindCondition({ run, scope: undefined, loader }, condition);
  const holds = loader.empty
    ? bound.evaluate(EMPTY_FRAME)
    : await withinTransaction(run, false, async () => {
        await loader.load();
        return bound.evaluate(EMPTY_FRAME);
      });
  run.state.error = 0;
  run.state.rowCount = 0n;
  return holds === true;
}

async function integerValue(run: Run, expression: Parameters<typeof valueOf>[1]): Promise<SqlValue> {
  const { value, type } = await valueOf(run, expression);
  return convert(value, type, INT) ?? 0n;
}

/** Numbers of name resolution and compilation: a TRY block at the same level cannot catch them, an outer level's can. */
const compilation = new Set([102, 105, 107, 137, 145, 147, 155, 156, 195, 207, 208, 209, 213, 1087, 4104, 8120]);

function isCatchable(failure: SqlFailure, run: Run): boolean {
  if (failure.scope === 'connection') return false;
  const first = failure.messages[0];
  return !(first !== undefined && compilation.has(first.number) && levelOf(failure) === run.level);
}

/** Line and procedure for messages that have none yet. */
function located(failure: SqlFailure, run: Run, line: number): SqlFailure {
  const known = failure.messages.every(each => each.line !== undefined);
  const result = known
    ? failure
    : new SqlError(
        failure.messages.map(each =>
          each.line === undefined
            ? { ...each, line, ...(run.procedure === undefined ? {} : { procedure: run.procedure }) }
            : each,
        ),
        failure.scope,
        failure,
      );
  if (isRaised(failure)) markRaised(result);
  raisedAt(result, levelOf(failure) ?? run.level);
  return result;
}

/** Returns when the batch may go on. */
export async function failed(run: Run, failure: SqlFailure, command: number): Promise<void> {
  const { session, state, sink } = run;
  state.error = failure.messages[failure.messages.length - 1]?.number ?? 0;
  state.rowCount = 0n;
  const aborts = session.options.xactAbort && !isRaised(failure);
  if (aborts || failure.scope === 'transaction') session.transaction?.doom();
  if (run.tryDepth > 0) throw failure;
  for (const each of failure.messages) sink.error(each);
  sink.done({ command, failed: true });
  if (failure.scope === 'statement' && !aborts) return;
  if (aborts || failure.scope === 'transaction') await rollbackAll(run);
  const first = failure.messages[0];
  throw new BatchAborted(aborts || failure.scope !== 'batch' || first === undefined || !compilation.has(first.number));
}

/** A transaction that can only be rolled back does not outlive its batch. */
export async function endBatch(run: Run): Promise<void> {
  if (run.session.transaction?.state !== 'doomed') return;
  await rollbackAll(run);
  run.sink.error(message(3998));
  run.sink.done({ command: 253, failed: true });
}
