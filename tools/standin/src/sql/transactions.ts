/** BEGIN, COMMIT, ROLLBACK, SAVE; and the transaction every single statement works in. */
import { fail } from '../messages.ts';
import type { Transaction } from '../contract.ts';
import type { Statement, TransactionName } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { convert } from './convert.ts';
import { Loader } from './loader.ts';
import type { Run } from './session-state.ts';

/** Longer names are cut when they come from a variable (sqlserver.md §3.1). */
const NAME_LENGTH = 32;

function nameOf(run: Run, name: TransactionName): string | undefined {
  if (name === undefined) return undefined;
  if (name.kind === 'text') return name.text;
  const variable = run.variables.get(name.name.toLowerCase());
  if (variable === undefined) throw fail(137, name.name);
  const value = convert(variable.value, variable.type, { name: 'nvarchar', length: NAME_LENGTH });
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export async function beginTransaction(
  run: Run,
  statement: Extract<Statement, { kind: 'begin transaction' }>,
): Promise<void> {
  const name = nameOf(run, statement.name);
  const { session } = run;
  if (statement.distributed) await beginDistributed(run, name);
  else if (session.transaction === undefined) begin(run, name);
  else session.nesting += 1;
  if (statement.mark !== undefined) mark(run, statement, name);
}

/** Inside a local transaction it makes that one distributed (unverified). What cannot take part in one is told before anything has begun. */
async function beginDistributed(run: Run, name: string | undefined): Promise<void> {
  const { session } = run;
  const open = session.transaction;
  if (open?.state === 'doomed') throw fail(3930);
  if (open !== undefined) {
    if (!open.distributed) open.promote();
    session.nesting += 1;
    return;
  }
  const transaction = run.engine.begin(session, name);
  try {
    transaction.promote();
  } catch (error) {
    await transaction.rollback();
    throw error;
  }
  opened(run, transaction);
}

export function begin(run: Run, name: string | undefined): Transaction {
  return opened(run, run.engine.begin(run.session, name));
}

function opened(run: Run, transaction: Transaction): Transaction {
  run.session.transaction = transaction;
  run.session.nesting = 1;
  run.sink.transaction('begin', transaction.descriptor);
  return transaction;
}

/** The mark belongs to the first BEGIN … WITH MARK; an inner one names an unmarked transaction; a second one is ignored with 3920. */
function mark(run: Run, statement: Extract<Statement, { kind: 'begin transaction' }>, name: string | undefined): void {
  const { transaction } = run.session;
  if (transaction === undefined || name === undefined) throw fail(102, 'MARK');
  if (transaction.markName !== undefined) throw fail(3920);
  const bound =
    statement.mark?.description === undefined
      ? undefined
      : bindExpression({ run, scope: undefined, loader: new Loader() }, statement.mark.description);
  const description =
    bound === undefined ? null : convert(bound.evaluate(EMPTY_FRAME), bound.type, { name: 'nvarchar', length: 128 });
  transaction.mark(name, typeof description === 'string' ? description : undefined);
}

export async function commit(run: Run): Promise<void> {
  const { session, sink } = run;
  const { transaction } = session;
  if (transaction === undefined) throw fail(3902);
  if (session.nesting > 1) {
    session.nesting -= 1;
    return;
  }
  if (transaction.state === 'doomed') throw fail(3930);
  await transaction.commit();
  session.transaction = undefined;
  session.nesting = 0;
  sink.transaction('commit', transaction.descriptor);
}

export async function rollback(run: Run, name?: TransactionName): Promise<void> {
  const { transaction } = run.session;
  if (transaction === undefined) throw fail(3903);
  const wanted = nameOf(run, name);
  if (wanted !== undefined && wanted !== transaction.name) {
    if (transaction.state === 'doomed') throw fail(3931);
    if (!(await transaction.rollbackTo(wanted))) throw fail(6401, wanted);
    return;
  }
  await rollbackAll(run);
}

/** Without an open transaction: nothing. */
export async function rollbackAll(run: Run): Promise<void> {
  const { session, sink } = run;
  const { transaction } = session;
  if (transaction === undefined) return;
  await transaction.rollback();
  session.transaction = undefined;
  session.nesting = 0;
  sink.transaction('rollback', transaction.descriptor);
}

export function save(run: Run, name: TransactionName): void {
  const { transaction } = run.session;
  const wanted = nameOf(run, name);
  if (transaction === undefined) throw fail(628);
  if (wanted === undefined) throw fail(102, 'TRANSACTION');
  if (transaction.state === 'doomed') throw fail(3930);
  if (transaction.distributed) throw fail(627);
  transaction.save(wanted);
}

/** No name that a statement could write. */
const STATEMENT_START = '\u0000statement';

/**
 * Runs a statement in the open transaction (undone alone when it fails), in a new one that stays open (IMPLICIT_TRANSACTIONS), or in one of its own.
 */
export async function withinTransaction<T>(run: Run, writes: boolean, work: () => Promise<T>): Promise<T> {
  const { session } = run;
  if (session.transaction === undefined && session.options.implicitTransactions) begin(run, undefined);
  const open = session.transaction;
  if (open === undefined) return autocommit(run, work);
  if (writes && open.state === 'doomed') throw fail(3930);
  if (writes) open.save(STATEMENT_START);
  run.transaction = open;
  try {
    return await work();
  } catch (error) {
    if (writes && open.state === 'active') await open.rollbackTo(STATEMENT_START);
    throw error;
  } finally {
    run.transaction = undefined;
  }
}

async function autocommit<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const transaction = run.engine.begin(run.session, undefined);
  run.transaction = transaction;
  try {
    const result = await work();
    await transaction.commit();
    return result;
  } catch (error) {
    await transaction.rollback();
    throw error;
  } finally {
    run.transaction = undefined;
  }
}
