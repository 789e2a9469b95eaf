/** For tests: an executor over a real engine in a throw-away folder, and what a batch told its client. */
import { startFixture, type Fixture, type TestSession } from '../engine/engine-fixture.ts';
import type { EngineOptions } from '../engine/options.ts';
import { createRegistry } from '../catalogue/catalogue-registry.ts';
import type { Executor, Message, ObjectRegistry, ResultColumn, ResultSink, StatementLogEntry } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import { decimalText } from './decimal.ts';
import { createExecutor } from './executor.ts';

export type Answer = {
  readonly sets: { readonly columns: readonly ResultColumn[]; readonly rows: (readonly SqlValue[])[] }[];
  readonly infos: Message[];
  readonly errors: Message[];
  readonly ends: { readonly command: number; readonly rowCount?: bigint; readonly failed?: boolean }[];
  readonly changes: string[];
};

export type SqlFixture = {
  readonly engine: Fixture;
  readonly executor: Executor;
  readonly registry: ObjectRegistry;
  readonly log: StatementLogEntry[];
  readonly session: TestSession;
  run(text: string, session?: TestSession): Promise<Answer>;
  /** The rows of the last result set, easy to compare: bigint as number, decimal and dates as text. */
  rows(text: string, session?: TestSession): Promise<unknown[][]>;
  /** Numbers of the errors. */
  errors(text: string, session?: TestSession): Promise<number[]>;
  end(): Promise<void>;
};

export function recordingSink(): { readonly sink: ResultSink; readonly answer: Answer } {
  const answer: Answer = { sets: [], infos: [], errors: [], ends: [], changes: [] };
  const sink: ResultSink = {
    columns: columns => void answer.sets.push({ columns, rows: [] }),
    row: values => void answer.sets[answer.sets.length - 1]?.rows.push(values),
    info: each => void answer.infos.push(each),
    error: each => void answer.errors.push(each),
    done: end => void answer.ends.push(end),
    database: (from, to) => void answer.changes.push(`${from} → ${to}`),
    transaction: change => void answer.changes.push(change),
    flush: () => Promise.resolve(),
  };
  return { sink, answer };
}

export function plain(value: SqlValue): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value !== 'object' || value === null) return value;
  return value.kind === 'decimal' ? decimalText(value) : `ticks ${value.ticks}`;
}

export async function startSql(part: Partial<EngineOptions> = {}): Promise<SqlFixture> {
  const engine = await startFixture(part);
  const registry = createRegistry();
  const log: StatementLogEntry[] = [];
  const executor = createExecutor(engine.engine(), registry, { write: entry => void log.push(entry) });
  const session = engine.session();
  const run = async (text: string, by = session): Promise<Answer> => {
    const { sink, answer } = recordingSink();
    await executor.batch(by, text, sink);
    return answer;
  };
  return {
    engine,
    executor,
    registry,
    log,
    session,
    run,
    rows: async (text, by) => {
      const answer = await run(text, by);
      if (answer.errors.length > 0)
        throw new Error(answer.errors.map(each => `${each.number}: ${each.text}`).join('; '));
      return (answer.sets[answer.sets.length - 1]?.rows ?? []).map(row => row.map(plain));
    },
    errors: async (text, by) => (await run(text, by)).errors.map(each => each.number),
    end: () => engine.end(),
  };
}
