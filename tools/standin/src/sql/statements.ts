/** What each statement does and what it tells the client about itself. */
import { fail, message, unsupported } from '../messages.ts';
import { holdsRole, isAdministrator } from '../rights.ts';
import type { SqlValue } from '../values.ts';
import type { ExecuteProcedure, ExecuteText, InsertStatement, Query, Statement } from './ast.ts';
import { capturingSink, type CapturedRows } from './capture.ts';
import type { BoundQuery } from './bound.ts';
import { commandOf, SELECT_COMMAND } from './commands.ts';
import { convert, plainText } from './convert.ts';
import { partsOf } from './datetime.ts';
import { parseDateTime } from './datetime-text.ts';
import { runInsert } from './insert.ts';
import { Loader } from './loader.ts';
import { print, raiserror, throwError, valueOf } from './raise.ts';
import { withFetched } from './remote-ask.ts';
import { performThere } from './remote-statements.ts';
import { counted, sendRows } from './results.ts';
import { namesServer } from './source-span.ts';
import { recover } from './recovery-run.ts';
import { applySetting } from './settings.ts';
import type { Run } from './session-state.ts';
import { alterTable, createIndex } from './alter-table.ts';
import { runMerge } from './merge.ts';
import { alterDatabase, createDatabase } from './databases-run.ts';
import { createTable, declareTable, dropTables, selectInto, truncateTable } from './tables-run.ts';
import { beginTransaction, commit, rollback, save, withinTransaction } from './transactions.ts';
import { INT } from './types.ts';
import { runDelete, runUpdate, type ChangeResult } from './update.ts';
import { declare, setVariable } from './variables.ts';

/** EXEC, in its own files; passed along because what it runs are statements again. */
export type Execute = (run: Run, statement: ExecuteProcedure | ExecuteText) => Promise<void>;

export async function perform(run: Run, statement: Statement, execute: Execute): Promise<void> {
  if (!namesServer(statement)) return performHere(run, statement, execute);
  if (await performThere(run, statement, each => executed(run, each, execute))) return;
  const free = statement.kind !== 'update' && statement.kind !== 'delete';
  return withFetched(run, statement, () => performHere(run, statement, execute), free);
}

async function performHere(run: Run, statement: Statement, execute: Execute): Promise<void> {
  switch (statement.kind) {
    case 'select':
      return runSelect(run, statement.query);
    case 'insert':
      return changed(run, statement, await insert(run, statement, execute));
    case 'update':
      return changed(run, statement, await withinTransaction(run, true, () => runUpdate(run, statement)));
    case 'delete':
      return changed(run, statement, await withinTransaction(run, true, () => runDelete(run, statement)));
    case 'merge':
      return changed(run, statement, await withinTransaction(run, true, () => runMerge(run, statement)));
    case 'execute procedure':
    case 'execute text':
      return execute(run, statement);
    case 'declare':
      return declare(run, statement);
    case 'declare table':
      return withinTransaction(run, true, () => declareTable(run, statement));
    case 'set variable':
      await setVariable(run, statement);
      run.state.rowCount = 1n;
      run.state.error = 0;
      return;
    case 'throw':
      return throwError(run, statement);
    case 'raiserror':
      await raiserror(run, statement);
      finished(run, statement);
      return;
    case 'unsupported':
      throw unsupported(statement.what);
    default:
      await act(run, statement);
      finished(run, statement);
  }
}

/** A statement without rows is done. */
function finished(run: Run, statement: Statement): void {
  run.state.error = 0;
  run.state.rowCount = 0n;
  run.sink.done({ command: commandOf(statement) });
}

/** Statements that return nothing but their end. */
async function act(run: Run, statement: Statement): Promise<void> {
  switch (statement.kind) {
    case 'begin transaction':
      return beginTransaction(run, statement);
    case 'commit':
      return commit(run);
    case 'rollback':
      return rollback(run, statement.name);
    case 'save':
      save(run, statement.name);
      return;
    case 'set':
      return applySetting(run, statement);
    case 'use':
      return use(run, statement.database);
    case 'print':
      return print(run, statement);
    case 'waitfor':
      return waitFor(run, statement);
    case 'kill':
      return kill(run, statement);
    case 'create table':
      return withinTransaction(run, true, () => createTable(run, statement.table, statement));
    case 'alter table':
      return withinTransaction(run, true, () => alterTable(run, statement));
    case 'create index':
      return withinTransaction(run, true, () => createIndex(run, statement));
    case 'truncate':
      return withinTransaction(run, true, () => truncateTable(run, statement.target));
    case 'drop':
      return drop(run, statement);
    case 'create database':
      return createDatabase(run, statement);
    case 'create login':
    case 'drop login':
      return changeLogin(run, statement);
    case 'alter database':
      return alterDatabase(run, statement);
    case 'backup':
    case 'restore':
    case 'restore information':
      return recover(run, statement);
    case 'reconfigure':
      if (!isAdministrator(run.session)) throw fail(5812);
      if (run.session.transaction !== undefined) throw fail(574, 'CONFIG');
      run.engine.serverOptions.reconfigure();
      return;
    default:
      throw new Error(`${statement.kind} is not a statement of this kind`);
  }
}

async function runSelect(run: Run, query: Query): Promise<void> {
  const into = query.body.kind === 'select' ? query.body.into : undefined;
  const assigns = query.body.kind === 'select' && query.body.items.some(item => item.kind === 'assign');
  const rows = await withinTransaction(run, into !== undefined, async () => {
    const loader = new Loader();
    const bound = run.binder.query(run, query, undefined, loader);
    await loader.load();
    if (into === undefined && !assigns) run.sink.columns(bound.columns);
    const result = evaluateRows(run, bound);
    if (into !== undefined) await selectInto(run, into, bound.columns, result);
    return result;
  });
  if (into === undefined && !assigns) await sendRows(run, rows);
  counted(run, SELECT_COMMAND, BigInt(rows.length), !assigns);
}

/** The columns are out when an expression fails: inside TRY nothing else ends that result set. */
function evaluateRows(run: Run, bound: BoundQuery): SqlValue[][] {
  try {
    return bound.run(undefined);
  } catch (error) {
    if (run.tryDepth > 0) run.sink.done({ command: SELECT_COMMAND, rowCount: 0n });
    throw error;
  }
}

async function changed(run: Run, statement: Statement, result: ChangeResult): Promise<void> {
  if (result.columns !== undefined) {
    run.sink.columns(result.columns);
    await sendRows(run, result.rows);
  }
  counted(run, commandOf(statement), result.count, true);
}

/** The EXEC of INSERT … EXEC runs first, with its rows kept back; then the insert is one statement. */
async function insert(run: Run, statement: InsertStatement, execute: Execute): Promise<ChangeResult> {
  const { source } = statement;
  const rows = source.kind === 'execute' ? await executed(run, source.execute, execute) : undefined;
  return withinTransaction(run, true, () => runInsert(run, statement, rows));
}

async function executed(run: Run, statement: ExecuteProcedure | ExecuteText, execute: Execute): Promise<CapturedRows> {
  const rows: CapturedRows = { sets: [] };
  const outer = run.sink;
  const within = run.state.inserting;
  run.sink = capturingSink(outer, rows);
  run.state.inserting = true;
  try {
    await execute(run, statement);
  } finally {
    run.sink = outer;
    run.state.inserting = within;
  }
  return rows;
}

async function use(run: Run, name: string): Promise<void> {
  const from = run.session.database.name;
  await run.engine.use(run.session, name);
  const to = run.session.database.name;
  run.sink.database(from, to);
  run.sink.info(message(5701, to));
}

async function waitFor(run: Run, statement: Extract<Statement, { kind: 'waitfor' }>): Promise<void> {
  const { value, type } = await valueOf(run, statement.value);
  const text = convert(value, type, { name: 'nvarchar', length: 'max' }, 114);
  const parsed = typeof text === 'string' ? parseDateTime(text) : undefined;
  if (parsed === undefined) throw fail(148, plainText(value, type), statement.what.toUpperCase());
  const { hour, minute, second, fraction } = partsOf(parsed.ticks);
  const ofDay = ((hour * 60 + minute) * 60 + second) * 1000 + fraction / 10_000;
  const now = run.engine.clock();
  const passed = now.getTime() - Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  const milliseconds = statement.what === 'delay' ? ofDay : (ofDay - passed + 86_400_000) % 86_400_000;
  await run.sink.flush();
  await run.engine.waitUntil(run.session, new Date(now.getTime() + milliseconds));
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function kill(run: Run, statement: Extract<Statement, { kind: 'kill' }>): Promise<void> {
  const { option, target } = statement;
  if (option === 'STATUSONLY') throw unsupported('KILL … WITH STATUSONLY');
  const { session, engine } = run;
  const { value, type } = await valueOf(run, target);
  const unit = typeof value === 'string' && uuid.test(value) ? value.toUpperCase() : undefined;
  const spid = unit === undefined ? Number(convert(value, type, INT) ?? 0n) : 0;
  if (!holdsRole(session, 'processadmin')) throw fail(6102);
  if (session.transaction !== undefined) throw fail(6115);
  const outcome = option === undefined ? undefined : option === 'COMMIT' ? 'committed' : 'aborted';
  if (unit !== undefined) return engine.resolveUnit(unit, outcome);
  if (option !== undefined) throw fail(6108);
  if (spid === session.spid) throw fail(6104);
  if (spid < 1) throw fail(6101, spid);
  if (spid <= 50) throw fail(6107);
  const victim = engine.sessions().find(each => each.spid === spid);
  if (victim === undefined) throw fail(6106, spid);
  victim.kill(session);
}

async function drop(run: Run, statement: Extract<Statement, { kind: 'drop' }>): Promise<void> {
  if (statement.what === 'table') return withinTransaction(run, true, () => dropTables(run, statement));
  if (run.session.transaction !== undefined) throw fail(226, 'DROP DATABASE');
  for (const { parts } of statement.names) {
    const name = parts[0] ?? '';
    if (run.engine.database(name) === undefined && statement.ifExists) continue;
    await run.engine.dropDatabase(run.session, name);
  }
}

type LoginSyntax = Extract<Statement, { kind: 'create login' | 'drop login' }>;

async function changeLogin({ engine, session }: Run, { kind, name }: LoginSyntax): Promise<void> {
  // It would have to be undone with the transaction.
  if (session.transaction !== undefined) throw unsupported(`${kind.toUpperCase()} within a transaction`);
  if (kind === 'create login') await engine.createWindowsLogin(session, name);
  else await engine.dropLogin(session, name);
}
