/** SELECT, INSERT, UPDATE and DELETE that a linked server carries out. */
import { fail, unsupported } from '../messages.ts';
import type { ResultColumn } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { ExecuteProcedure, ExecuteText, InsertStatement, Name, Query, Statement, ValueRow } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import type { CapturedRows } from './capture.ts';
import { commandOf, SELECT_COMMAND } from './commands.ts';
import { Loader } from './loader.ts';
import { databaseOf, forward, requireXactAbort, withFetched } from './remote-ask.ts';
import { assigned, assignedBy, changePlaces, placesOf, serverOf } from './remote-plan.ts';
import { insertText, remoteName, remoteText, type RemoteText, type RemoteValue } from './remote-text.ts';
import { counted, sendRows } from './results.ts';
import type { Run } from './session-state.ts';
import { spanOf } from './source-span.ts';
import { withinTransaction } from './transactions.ts';

type Executed = (execute: ExecuteProcedure | ExecuteText) => Promise<CapturedRows>;

/** False: the statement runs here, perhaps with rows fetched before. */
export async function performThere(run: Run, statement: Statement, executed: Executed): Promise<boolean> {
  switch (statement.kind) {
    case 'select':
      return select(run, statement);
    case 'insert':
      return insert(run, statement, executed);
    case 'update':
    case 'delete':
      return change(run, statement);
    case 'truncate': {
      const server = serverOf(run, statement.target.parts);
      if (server !== undefined) throw unsupported(`TRUNCATE TABLE on the linked server ${server}`);
      return false;
    }
    default:
      return false;
  }
}

async function select(run: Run, statement: Extract<Statement, { kind: 'select' }>): Promise<boolean> {
  const { servers, local, names } = placesOf(run, statement.query);
  const [server] = servers;
  if (local || server === undefined || servers.length > 1) return false;
  const variables = assigned(statement.query);
  const text = ownWords(run, statement, names, variables);
  const { sets, count } = await forward(run, server, databaseOf(names[0]?.parts), text);
  for (const set of sets) {
    run.sink.columns(set.columns);
    await sendRows(run, set.rows);
  }
  counted(run, SELECT_COMMAND, count, variables.size === 0);
  return true;
}

function ownWords(
  run: Run,
  statement: Statement,
  names: readonly Name[],
  variables?: ReadonlySet<string>,
): ReturnType<typeof remoteText> {
  const span = spanOf(statement);
  if (span === undefined) throw new Error('a statement of a batch has its place in it');
  return remoteText(run, span, names, variables);
}

async function change(run: Run, statement: Extract<Statement, { kind: 'update' | 'delete' }>): Promise<boolean> {
  const { servers, local, names, target } = changePlaces(run, statement);
  const server = serverOf(run, target.parts);
  if (server === undefined) return false;
  if (statement.output !== undefined) throw fail(405);
  if (local || servers.length > 1)
    throw unsupported(`${statement.kind.toUpperCase()} on ${server} that reads tables of other instances`);
  requireXactAbort(run, server);
  const variables = statement.kind === 'update' ? assignedBy(statement.assignments) : undefined;
  const text = ownWords(run, statement, names, variables);
  const { count } = await forward(run, server, databaseOf(target.parts), text);
  counted(run, commandOf(statement), count, true);
  return true;
}

async function insert(run: Run, statement: InsertStatement, executed: Executed): Promise<boolean> {
  const { target, source } = statement;
  const server = serverOf(run, target.parts);
  if (server === undefined) return false;
  if (statement.output !== undefined) throw fail(405);
  requireXactAbort(run, server);
  const places = placesOf(run, source);
  const elsewhere = places.local || places.servers.some(each => each.toLowerCase() !== server.toLowerCase());
  if (source.kind !== 'execute' && !elsewhere) {
    const text = ownWords(run, statement, [target, ...places.names]);
    const { count } = await forward(run, server, databaseOf(target.parts), text);
    counted(run, commandOf(statement), count, true);
    return true;
  }
  const rows = source.kind === 'execute' ? executedRows(await executed(source.execute)) : await sourceRows(run, source);
  await insertRows(run, server, statement, rows);
  counted(run, commandOf(statement), BigInt(rows.length), true);
  return true;
}

type Rows = readonly (readonly RemoteValue[])[];

/** A statement takes 1000 rows in VALUES, a call 2100 parameters (learn.microsoft.com: table value constructor, maximum capacity). */
const MOST_ROWS = 1000;
const MOST_PARAMETERS = 2000;

async function insertRows(run: Run, server: string, statement: InsertStatement, rows: Rows): Promise<void> {
  const width = Math.max(1, rows[0]?.length ?? 1);
  const size = Math.max(1, Math.min(MOST_ROWS, Math.floor(MOST_PARAMETERS / width)));
  const texts: RemoteText[] = [];
  for (let from = 0; from < rows.length; from += size)
    texts.push(insertText(remoteName(statement.target.parts), statement.columns, rows.slice(from, from + size)));
  const send = async (): Promise<void> => {
    for (const text of texts) await forward(run, server, databaseOf(statement.target.parts), text);
  };
  // Several calls outside of a transaction would each be one of their own.
  return texts.length > 1 && run.session.transaction === undefined ? asOne(run, send) : send();
}

/** A transaction for one statement; the client never hears of it. */
async function asOne(run: Run, work: () => Promise<void>): Promise<void> {
  const { session, engine } = run;
  const transaction = engine.begin(session, undefined);
  session.transaction = transaction;
  session.nesting = 1;
  try {
    await work();
    await transaction.commit();
  } catch (error) {
    await transaction.rollback();
    throw error;
  } finally {
    session.transaction = undefined;
    session.nesting = 0;
  }
}

function typed(columns: readonly ResultColumn[], row: readonly SqlValue[], nulls?: ReadonlySet<number>): RemoteValue[] {
  return columns.map(({ type }, i) => (nulls?.has(i) === true ? 'null' : { type, value: row[i] ?? null }));
}

function executedRows({ sets }: CapturedRows): Rows {
  return sets.flatMap(set => set.rows.map(row => typed(set.columns, row)));
}

/** The source of an INSERT, evaluated here. */
async function sourceRows(run: Run, source: Exclude<InsertStatement['source'], { kind: 'execute' }>): Promise<Rows> {
  if (source.kind === 'default values') throw new Error('DEFAULT VALUES reads no table');
  return withFetched(run, source, () =>
    withinTransaction(run, false, () =>
      source.kind === 'query' ? queryRows(run, source.query) : valueRows(run, source.rows),
    ),
  );
}

async function queryRows(run: Run, query: Query): Promise<Rows> {
  const loader = new Loader();
  const bound = run.binder.query(run, query, undefined, loader);
  await loader.load();
  return bound.run(undefined).map(row => typed(bound.columns, row, bound.untypedNulls));
}

async function valueRows(run: Run, rows: readonly ValueRow[]): Promise<Rows> {
  const loader = new Loader();
  const bound = rows.map(row =>
    row.map(each => (each === 'default' ? each : bindExpression({ run, scope: undefined, loader }, each))),
  );
  await loader.load();
  return bound.map(row =>
    row.map((each): RemoteValue => {
      if (each === 'default') return each;
      return each.untypedNull === true ? 'null' : { type: each.type, value: each.evaluate(EMPTY_FRAME) };
    }),
  );
}
