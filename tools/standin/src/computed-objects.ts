/** Views, functions and procedures that are computed rather than stored; a part of contract.ts, which exports these names. */
import type { Engine, Message, ResultColumn, ResultSink, Session } from './contract.ts';
import type { Database, Row } from './storage.ts';
import type { SqlType, SqlValue, TypedValue } from './values.ts';

/** sys.databases, sys.dm_exec_requests …: rows made when asked for. Visible in every database unless `database` is given. */
export interface VirtualTable {
  readonly schema: string;
  readonly name: string;
  readonly database?: string;
  readonly columns: readonly ResultColumn[];
  /** Without it: in every database (or in `database`). Asked anew at each look-up, so that a restored database has its objects too. */
  readonly existsIn?: (database: Database) => boolean;
  /** `database`: the one whose view was named; ObjectRegistry.findTable has bound it already. */
  rows(session: Session, database?: Database): Promise<Iterable<Row>> | Iterable<Row>;
}

/** sys.dm_os_file_exists(@p) and the like. */
export interface VirtualTableFunction {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ResultColumn[];
  rows(session: Session, args: readonly TypedValue[]): Promise<Iterable<Row>> | Iterable<Row>;
}

export type ProcedureParameter = {
  readonly name: string;
  readonly type: SqlType;
  readonly output?: boolean;
  /** undefined: mandatory. */ readonly default?: SqlValue;
};

/** A procedure written in TypeScript. `database` undefined: a system procedure, found from every database as sp_… */
export interface NativeProcedure {
  readonly database?: string;
  readonly schema: string;
  readonly name: string;
  readonly parameters: readonly ProcedureParameter[];
  /** Without it: in every database (or in `database`). Asked anew at each look-up. */
  readonly existsIn?: (database: Database) => boolean;
  /** Returns the return status. Outputs are written with context.output. Runs in the caller's session and transaction. */
  run(context: ProcedureContext): Promise<number>;
}

/** Without a name: by position. */
export type CallArgument = { readonly name?: string; readonly value: TypedValue; readonly output?: boolean };

export interface ProcedureContext {
  readonly session: Session;
  readonly engine: Engine;
  /** Database the procedure belongs to (for a system procedure: the session's current one). */
  readonly database: Database;
  readonly sink: ResultSink;
  argument(name: string): SqlValue;
  output(name: string, value: SqlValue): void;
  /** Runs T-SQL in this session (same transaction, `database` as current database); result rows are returned, messages go to the sink. Throws SqlFailure. */
  query(
    text: string,
    parameters?: Readonly<Record<string, TypedValue>>,
  ): Promise<readonly Readonly<Record<string, SqlValue>>[]>;
  /**
   * Calls a procedure (server?, database, schema, name), here or at a linked server; its result rows go nowhere. `text`: the EXEC as the statement
   * log tells it. `outputs`: what came back in the arguments that say so, in their order. Throws SqlFailure.
   */
  call(
    procedure: readonly string[],
    text: string,
    args: readonly CallArgument[],
  ): Promise<{ readonly status: number; readonly outputs: readonly SqlValue[] }>;
  /** Runs it with its result sets going to the client. */
  execute(text: string, parameters?: Readonly<Record<string, TypedValue>>): Promise<void>;
  /** RAISERROR. Severity ≥ 11 throws SqlFailure (scope statement), ≤ 10 is an info message. */
  raise(message: Message): void;
}

/** Databases, tables, views and procedures that catalogue/ and biztalk/ add to an engine. */
export interface ObjectRegistry {
  virtualTable(table: VirtualTable): void;
  virtualFunction(fn: VirtualTableFunction): void;
  procedure(procedure: NativeProcedure): void;
  findTable(database: Database, schema: string, name: string): VirtualTable | undefined;
  findFunction(schema: string, name: string): VirtualTableFunction | undefined;
  findProcedure(database: Database, schema: string, name: string): NativeProcedure | undefined;
}
