/** What a session keeps beyond the contract's Session, and what one running batch, procedure or dynamic text keeps. */
import type {
  Database,
  Engine,
  Message,
  ObjectRegistry,
  ResultColumn,
  ResultSink,
  Row,
  Session,
  Table,
  Transaction,
} from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { DeclaredParameter } from './parse-parameters.ts';
import type { Condition, Expression, Query, Statement } from './ast.ts';
import type { Bound, BoundCondition, BoundQuery, Scope } from './bound.ts';
import type { Loader } from './loader.ts';

export type Prepared = { readonly text: string; readonly parameters: readonly DeclaredParameter[] };

export type SessionState = {
  error: number;
  rowCount: bigint;
  /** @@IDENTITY; SCOPE_IDENTITY is in Run. */
  identity: bigint | undefined;
  /** SCOPE_IDENTITY of the session's own batches, from one to the next. */
  scopeIdentity: bigint | undefined;
  /** #name (lower case) → the table in tempdb that holds it. */
  readonly temporary: Map<string, Table>;
  readonly prepared: Map<number, Prepared>;
  nextHandle: number;
  /** Whose IDENTITY_INSERT is ON. */
  identityInsert: { readonly table: Table; readonly database: Database } | undefined;
  /** An INSERT … EXEC runs: a transaction to BACKUP and RESTORE (sqlserver.md §1.2). */
  inserting: boolean;
  isolation: string;
  quotedIdentifier: boolean;
};

export function createSessionState(): SessionState {
  return {
    error: 0,
    rowCount: 0n,
    identity: undefined,
    scopeIdentity: undefined,
    temporary: new Map(),
    prepared: new Map(),
    nextHandle: 1,
    identityInsert: undefined,
    inserting: false,
    isolation: 'READ COMMITTED',
    quotedIdentifier: true,
  };
}

export type Variable = { readonly type: SqlType; value: SqlValue };

/** The error a CATCH block handles. */
export type CaughtError = { readonly message: Message };

/** One level of execution: a batch, a procedure's text, EXEC (N'…'), sp_executesql. */
export type Run = {
  readonly engine: Engine;
  readonly registry: ObjectRegistry;
  readonly session: Session;
  readonly state: SessionState;
  sink: ResultSink;
  /** The database of the procedure this text belongs to; undefined: the session's current one. */
  readonly home: Database | undefined;
  readonly variables: Map<string, Variable>;
  /** Which DECLARE made a variable. */
  readonly declared: Map<string, Statement>;
  readonly tableVariables: Map<string, Table>;
  /** Temporary tables made at this level; dropped when it ends, unless it is the session's own batch. */
  readonly temporary: string[];
  readonly level: number;
  /** Name of the procedure this text belongs to, for messages. */
  readonly procedure: string | undefined;
  scopeIdentity: bigint | undefined;
  /** Depth of TRY blocks around, those of outer levels included: a failure travels there instead of to the client. */
  tryDepth: number;
  caught: CaughtError | undefined;
  /** The clock of the running statement: GETDATE is one value within it. */
  now: Date;
  /** The transaction the running statement works in. */
  transaction: Transaction | undefined;
  /** Rows of linked servers that the running statement reads, by their syntax. */
  fetched:
    ReadonlyMap<object, { readonly columns: readonly ResultColumn[]; readonly rows: readonly Row[] }> | undefined;
  readonly binder: Binder;
};

/** Expressions contain conditions and subqueries, which contain expressions: passed along so that the files do not import each other in a circle. */
export type Binder = {
  query(run: Run, query: Query, scope: Scope | undefined, loader: Loader): BoundQuery;
  condition(context: BindContext, condition: Condition): BoundCondition;
};

export type BindContext = {
  readonly run: Run;
  readonly scope: Scope | undefined;
  readonly loader: Loader;
  /** Set while binding the select list, HAVING and ORDER BY of a grouped query. */
  readonly grouping?: Grouping;
  /** Collects window functions of the select list; undefined where they are not allowed. */
  readonly windows?: WindowCall[];
};

export type AggregateCall = {
  readonly name: string;
  readonly distinct: boolean;
  readonly argument: Bound | undefined;
  readonly separator: SqlValue;
  readonly type: SqlType;
};
export type WindowCall = {
  readonly name: string;
  readonly arguments: readonly Bound[];
  readonly partitionBy: readonly Bound[];
  readonly orderBy: readonly { readonly value: Bound; readonly descending: boolean }[];
};

export type Grouping = {
  /** Positions of plain columns in GROUP BY. */
  readonly columns: ReadonlySet<number>;
  /** Printed GROUP BY expressions, to recognise the same expression in the select list. */
  readonly expressions: ReadonlySet<string>;
  readonly aggregates: AggregateCall[];
};

/** The same expression printed the same way, whatever its case and lines. */
export function printExpression(expression: Expression): string {
  return JSON.stringify(expression, (key, value: unknown) =>
    key === 'line' ? undefined : typeof value === 'bigint' ? `${value}n` : value,
  ).toLowerCase();
}

export function currentDatabase(run: Run): Database {
  return run.home ?? run.session.database;
}
