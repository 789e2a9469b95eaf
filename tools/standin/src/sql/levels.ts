/** A level: text or a procedure that runs inside another one, with variables and temporary tables of its own. */
import type { Database, ResultSink } from '../contract.ts';
import type { TypedValue } from '../values.ts';
import { BatchAborted, type Execution, failed } from './execution.ts';
import { EXECUTE_COMMAND } from './commands.ts';
import { parseBatch } from './parser.ts';
import type { Run, Variable } from './session-state.ts';
import { dropTemporary } from './tables-run.ts';
import { fail, isFailure, message } from '../messages.ts';
import type { Statement } from './ast.ts';

export type LevelOptions = {
  readonly home: Database | undefined;
  readonly procedure?: string;
  readonly parameters?: readonly (readonly [string, TypedValue])[];
  readonly sink?: ResultSink;
  /** Failures come back as exceptions instead of going to the client. */
  readonly throws?: boolean;
  /** Receives the variables when the text is done: OUTPUT parameters. */
  readonly after?: (variables: ReadonlyMap<string, Variable>) => void;
};

const MAXIMUM_LEVEL = 32;
/** What a procedure returns that an error ended (unverified). */
const FAILED_STATUS = -6;

export class Levels {
  readonly #execution: Execution;
  readonly #parsed = new Map<string, readonly Statement[]>();

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  get execution(): Execution {
    return this.#execution;
  }

  /** Texts repeat: a driver sends the same statement with other parameters. */
  parse(text: string): readonly Statement[] {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    const statements = parseBatch(text);
    if (this.#parsed.size >= 1000) this.#parsed.clear();
    if (text.length <= 20_000) this.#parsed.set(text, statements);
    return statements;
  }

  /** @returns the RETURN value, 0 without one */
  async text(run: Run, text: string, options: LevelOptions): Promise<number> {
    return this.guarded(run, options, async inner => {
      const statements = this.parse(text);
      const flow = await this.#execution.statements(inner, statements);
      options.after?.(inner.variables);
      return typeof flow === 'object' && typeof flow.status === 'bigint' ? Number(flow.status) : 0;
    });
  }

  /**
   * Runs `work` one level deeper. An error that ends only that level ends it here; the level above goes on. SET options and USE last as long as
   * the level (learn.microsoft.com: SET statements, EXECUTE).
   */
  async guarded(run: Run, options: LevelOptions, work: (inner: Run) => Promise<number>): Promise<number> {
    if (run.level >= MAXIMUM_LEVEL) throw fail(217);
    const inner = childOf(run, options);
    const { session } = run;
    const before = {
      nesting: session.nesting,
      settings: { ...session.options },
      isolation: run.state.isolation,
      database: session.database,
    };
    try {
      const status = await work(inner);
      tellMismatch(inner, before.nesting, options);
      return status;
    } catch (error) {
      if (error instanceof BatchAborted && !error.whole) return FAILED_STATUS;
      if (!isFailure(error) || session.signal.aborted || inner.tryDepth > 0) throw error;
      return await tellFailure(inner, error);
    } finally {
      Object.assign(session.options, before.settings);
      run.state.isolation = before.isolation;
      if (options.procedure === undefined) run.scopeIdentity = inner.scopeIdentity ?? run.scopeIdentity;
      if (!session.signal.aborted) {
        if (inner.tableVariables.size > 0 || inner.temporary.length > 0) await dropTemporary(inner);
        if (session.database !== before.database) await goBack(run, before.database);
      }
    }
  }
}

/** The level left more or fewer transactions open than it found: 266 is told, nothing is undone. */
function tellMismatch(inner: Run, nesting: number, { procedure }: LevelOptions): void {
  const now = inner.session.nesting;
  if (now === nesting || inner.tryDepth > 0) return;
  inner.sink.error({ ...message(266, nesting, now), line: 0, ...(procedure === undefined ? {} : { procedure }) });
}

async function goBack(run: Run, database: Database): Promise<void> {
  const from = run.session.database.name;
  await run.engine.use(run.session, database.name);
  run.sink.database(from, database.name);
}

/** What a procedure or a parse threw by itself, outside of any statement of the level. */
async function tellFailure(inner: Run, error: Parameters<typeof failed>[1]): Promise<number> {
  try {
    await failed(inner, error, EXECUTE_COMMAND);
  } catch (aborted) {
    if (!(aborted instanceof BatchAborted) || aborted.whole) throw aborted;
  }
  return error.status ?? FAILED_STATUS;
}

function childOf(run: Run, options: LevelOptions): Run {
  const variables = new Map<string, Variable>();
  for (const [name, { type, value }] of options.parameters ?? []) variables.set(name.toLowerCase(), { type, value });
  return {
    ...run,
    sink: options.sink ?? run.sink,
    home: options.home,
    variables,
    declared: new Map(),
    tableVariables: new Map(),
    temporary: [],
    level: run.level + 1,
    procedure: options.procedure ?? run.procedure,
    scopeIdentity: undefined,
    tryDepth: run.tryDepth + (options.throws === true ? 1 : 0),
    transaction: undefined,
    fetched: undefined,
  };
}
