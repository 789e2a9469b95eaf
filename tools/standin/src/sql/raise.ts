/** RAISERROR, THROW and PRINT: messages that the batch makes itself. */
import { fail, SqlError, unsupported } from '../messages.ts';
import type { Message } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { Expression, Statement } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { convert } from './convert.ts';
import { Loader } from './loader.ts';
import type { Run } from './session-state.ts';
import { withinTransaction } from './transactions.ts';
import { INT } from './types.ts';

/** Failures of RAISERROR: they neither end the batch nor obey XACT_ABORT. */
const raised = new WeakSet<Error>();

export function markRaised(error: Error): void {
  raised.add(error);
}

export function isRaised(error: Error): boolean {
  return raised.has(error);
}

/** A message of RAISERROR's kind: a failure when its severity says so, otherwise sent as information. */
export function raise(run: Run, message: Message): void {
  if (message.severity <= 10) {
    run.sink.info(message);
    return;
  }
  if (message.severity > 18) throw unsupported(`RAISERROR of severity ${message.severity}`);
  const failure = new SqlError([message], 'statement');
  raised.add(failure);
  throw failure;
}

/** The value of an expression that may read tables through subqueries. */
export async function valueOf(
  run: Run,
  expression: Expression,
): Promise<{ readonly value: SqlValue; readonly type: ReturnType<typeof bindExpression>['type'] }> {
  const loader = new Loader();
  const bound = bindExpression({ run, scope: undefined, loader }, expression);
  const evaluate = (): { readonly value: SqlValue; readonly type: typeof bound.type } => ({
    value: bound.evaluate(EMPTY_FRAME),
    type: bound.type,
  });
  if (loader.empty) return evaluate();
  return withinTransaction(run, false, async () => {
    await loader.load();
    return evaluate();
  });
}

async function textOf(run: Run, expression: Expression): Promise<string> {
  const { value, type } = await valueOf(run, expression);
  const text = convert(value, type, { name: 'nvarchar', length: 'max' });
  return typeof text === 'string' ? text : '';
}

async function integerOf(run: Run, expression: Expression): Promise<number> {
  const { value, type } = await valueOf(run, expression);
  const number = convert(value, type, INT);
  return typeof number === 'bigint' ? Number(number) : 0;
}

export async function raiserror(run: Run, statement: Extract<Statement, { kind: 'raiserror' }>): Promise<void> {
  const { value } = await valueOf(run, statement.text);
  if (typeof value === 'bigint') throw unsupported('RAISERROR with a message number');
  const unknown = statement.options.find(option => option !== 'NOWAIT' && option !== 'SETERROR');
  if (unknown !== undefined) throw unsupported(`RAISERROR … WITH ${unknown}`);
  const args: SqlValue[] = [];
  for (const argument of statement.arguments) args.push((await valueOf(run, argument)).value);
  const text = formatMessage(typeof value === 'string' ? value : '', args).slice(0, 2047);
  const severity = await integerOf(run, statement.severity);
  const state = await integerOf(run, statement.state);
  if (statement.options.includes('SETERROR')) run.state.error = 50000;
  // A negative severity counts as 0, a negative state as 1.
  raise(run, {
    number: 50000,
    severity: Math.max(0, severity),
    state: state < 0 ? 1 : Math.min(255, state),
    text,
    line: statement.line,
    ...(run.procedure === undefined ? {} : { procedure: run.procedure }),
  });
  if (statement.options.includes('NOWAIT')) await run.sink.flush();
}

/** %s %d %i %u %o %x %X with flags and width; %% is a percent sign. */
export function formatMessage(format: string, args: readonly SqlValue[]): string {
  let next = 0;
  return format.replace(
    /%([-+0# ]*)(\d*)(?:\.(\d+))?(?:h|l|I64)?([sdiuoxX%])/g,
    (_, flags: string, width: string, precision: string | undefined, kind: string) => {
      if (kind === '%') return '%';
      const value = args[next++];
      const text = value === null || value === undefined ? '(null)' : formatOne(value, kind, precision, next);
      const size = Number(width === '' ? '0' : width);
      if (flags.includes('-')) return text.padEnd(size);
      return flags.includes('0') && kind !== 's' ? text.padStart(size, '0') : text.padStart(size);
    },
  );
}

/** `place`: of the parameter, from 1. */
function formatOne(value: SqlValue, kind: string, precision: string | undefined, place: number): string {
  if (kind === 's') {
    if (typeof value !== 'string') throw fail(2786, place);
    return precision === undefined ? value : value.slice(0, Number(precision));
  }
  if (typeof value !== 'bigint') throw fail(2786, place);
  if (kind === 'd' || kind === 'i') return value.toString();
  const unsigned = BigInt.asUintN(32, value);
  const text = unsigned.toString(kind === 'o' ? 8 : kind === 'u' ? 10 : 16);
  return kind === 'X' ? text.toUpperCase() : text;
}

export async function print(run: Run, statement: Extract<Statement, { kind: 'print' }>): Promise<void> {
  const text = (await textOf(run, statement.value)).slice(0, 4000);
  run.sink.info({
    number: 0,
    severity: 0,
    state: 1,
    text,
    line: statement.line,
    ...(run.procedure === undefined ? {} : { procedure: run.procedure }),
  });
}

/** Without arguments: the caught error again, with its own number, state and line. */
export async function throwError(run: Run, statement: Extract<Statement, { kind: 'throw' }>): Promise<never> {
  if (statement.arguments === undefined) {
    if (run.caught === undefined) throw fail(10704);
    throw new SqlError([run.caught.message], 'batch');
  }
  const number = await integerOf(run, statement.arguments[0]);
  if (number < 50000) throw fail(35100, number);
  const text = await textOf(run, statement.arguments[1]);
  const state = await integerOf(run, statement.arguments[2]);
  throw new SqlError(
    [
      {
        number,
        severity: 16,
        state: Math.max(0, Math.min(255, state)),
        text: text.slice(0, 2047),
        line: statement.line,
      },
    ],
    'batch',
  );
}
