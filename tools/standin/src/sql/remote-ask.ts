/** Asking a linked server on behalf of a running statement: within its transaction, and with the answer and the errors as the statement's own. */
import { fail, isFailure, SqlError } from '../messages.ts';
import type { RemoteAnswer, RemoteRequest, ResultColumn, Row, RpcParameter, SqlFailure } from '../contract.ts';
import type { TypedValue } from '../values.ts';
import { convert } from './convert.ts';
import { raisedAt } from './failures.ts';
import { fetchesOf, type Fetch } from './remote-plan.ts';
import { freeName, remoteName, remoteText, type RemoteText } from './remote-text.ts';
import type { Run } from './session-state.ts';
import { spanOf } from './source-span.ts';
import { begin } from './transactions.ts';
import { BIGINT } from './types.ts';

export async function ask(run: Run, server: string, request: RemoteRequest): Promise<RemoteAnswer> {
  const { session, engine, sink } = run;
  if (session.transaction === undefined && session.options.implicitTransactions) begin(run, undefined);
  if (session.transaction?.state === 'doomed') throw fail(3930);
  try {
    const answer = await engine.linked.ask(session, server, request);
    for (const info of answer.infos) sink.info(info);
    return answer;
  } catch (error) {
    if (!isFailure(error)) throw error;
    const own = asOwn(error, request.kind);
    // It was raised over there: a TRY around the statement catches it, whatever it is.
    raisedAt(own, run.level + 1);
    throw own;
  }
}

/** A failing query has the line of the statement here; a procedure there keeps its name and line. The client's connection outlives the other one. */
function asOwn(failure: SqlFailure, kind: RemoteRequest['kind']): SqlError {
  const messages =
    kind === 'procedure'
      ? failure.messages
      : failure.messages.map(({ number, severity, state, text }) => ({ number, severity, state, text }));
  return new SqlError(messages, failure.scope === 'connection' ? 'transaction' : failure.scope, failure);
}

/**
 * Changing data through a linked server within a transaction needs XACT_ABORT ON, since SQL Server's own provider has no nested transactions
 * (learn.microsoft.com: SET XACT_ABORT). A procedure call does not.
 */
export function requireXactAbort(run: Run, server: string): void {
  const { transaction, options } = run.session;
  const open = transaction !== undefined || options.implicitTransactions;
  if (open && !options.xactAbort) throw fail(7395, providerOf(run.engine.majorVersion), server);
}

/** What the product "SQL Server" connects with: SQLNCLI means MSOLEDBSQL since 2019 (learn.microsoft.com: sys.servers). */
function providerOf(majorVersion: number): string {
  return majorVersion >= 15 ? 'MSOLEDBSQL' : 'SQLNCLI11';
}

/** Runs one statement there. @returns its result sets and what @@ROWCOUNT was behind it; variables it assigned have their values. */
export async function forward(
  run: Run,
  server: string,
  database: string,
  { text, parameters }: RemoteText,
): Promise<{ readonly sets: RemoteAnswer['resultSets']; readonly count: bigint }> {
  let next = parameters.length + 1;
  const counter = freeName(run, () => next++);
  const count: RpcParameter = { name: counter, output: true, value: { type: BIGINT, value: null } };
  const answer = await ask(run, server, {
    kind: 'query',
    database,
    text: `${text};\nSET ${counter} = @@ROWCOUNT`,
    parameters: [...parameters, count],
  });
  for (const parameter of parameters) if (parameter.output) assign(run, parameter.name, answer.outputs);
  const value = answer.outputs.get(counter)?.value;
  return { sets: answer.resultSets, count: typeof value === 'bigint' ? value : 0n };
}

function assign(run: Run, name: string, outputs: ReadonlyMap<string, TypedValue>): void {
  const variable = run.variables.get(name);
  const given = outputs.get(name);
  if (variable === undefined || given === undefined) throw new Error(`the answer has no value for ${name}`);
  variable.value = convert(given.value, given.type, variable.type);
}

export type Fetched = { readonly columns: readonly ResultColumn[]; readonly rows: readonly Row[] };

/** Runs `work` with the rows of linked servers that `node` reads at hand. */
export async function withFetched<T>(run: Run, node: object, work: () => Promise<T>, free = true): Promise<T> {
  const fetched = new Map<object, Fetched>();
  for (const each of fetchesOf(run, node, free))
    fetched.set(each.kind === 'query' ? each.query : each.reference, await fetchOne(run, each));
  const before = run.fetched;
  run.fetched = fetched;
  try {
    return await work();
  } finally {
    run.fetched = before;
  }
}

async function fetchOne(run: Run, fetch: Fetch): Promise<Fetched> {
  const { server } = fetch;
  const request = fetch.kind === 'query' ? queryText(run, fetch) : tableText(fetch);
  const { sets } = await forward(run, server, request.database, request);
  const [set] = sets;
  if (set === undefined) throw new Error(`${server} answered a query without a result set`);
  return set;
}

function queryText(
  run: Run,
  { query, names }: Extract<Fetch, { kind: 'query' }>,
): RemoteText & { readonly database: string } {
  const span = spanOf(query);
  if (span === undefined) throw new Error('a query to be fetched has its place in the batch');
  return { ...remoteText(run, span, names), database: databaseOf(names[0]?.parts) };
}

function tableText({ reference }: Extract<Fetch, { kind: 'table' }>): RemoteText & { readonly database: string } {
  const { name, hints } = reference;
  const text = `SELECT * FROM ${remoteName(name.parts)}${hints.length === 0 ? '' : ` WITH (${hints.join(', ')})`}`;
  return { text, parameters: [], database: databaseOf(name.parts) };
}

export function databaseOf(parts: readonly string[] | undefined): string {
  return parts?.[1] ?? '';
}
