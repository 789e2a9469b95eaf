/** The typed syntax tree: statements. Expressions and queries are in ast-query.ts. Lines are 1-based inside the batch. */
import type { SqlType } from '../values.ts';
import type { Condition, Expression, Name, Query, SelectItem, TableReference, ValueRow } from './ast-query.ts';

export type * from './ast-query.ts';

type At = { readonly line: number };

/** A name or string given as a word, a literal or a variable (`BACKUP DATABASE @name`). */
export type TextOrVariable =
  { readonly kind: 'text'; readonly text: string } | { readonly kind: 'variable'; readonly name: string };

export type ColumnSyntax = {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean | undefined;
  readonly identity: { readonly seed: bigint; readonly increment: bigint } | undefined;
  readonly defaultText: string | undefined;
};
export type ConstraintSyntax = { readonly name: string | undefined; readonly columns: readonly string[] } & (
  | { readonly kind: 'primary key' | 'unique' }
  | { readonly kind: 'check'; readonly text: string }
  | { readonly kind: 'foreign key'; readonly table: Name; readonly toColumns: readonly string[] | undefined }
);
export type IndexFilter = { readonly column: string; readonly isNull: boolean };

export type TransactionName = TextOrVariable | undefined;

/** `inserted.c AS x`, sent to the client or INTO a table. */
export type OutputClause = {
  readonly items: readonly SelectItem[];
  readonly into: Name | undefined;
  readonly intoColumns: readonly string[];
};

export type ArgumentSyntax = {
  readonly name: string | undefined;
  readonly value: Expression | 'default';
  readonly output: boolean;
};

export type ExecuteProcedure = At & {
  readonly kind: 'execute procedure';
  readonly procedure: Name | { readonly variable: string };
  readonly returnVariable: string | undefined;
  readonly arguments: readonly ArgumentSyntax[];
};
export type ExecuteText = At & {
  readonly kind: 'execute text';
  readonly text: Expression;
  readonly at: string | undefined;
};

export type InsertStatement = At & {
  readonly kind: 'insert';
  readonly target: Name;
  readonly columns: readonly string[] | undefined;
  readonly source:
    | { readonly kind: 'values'; readonly rows: readonly ValueRow[] }
    | { readonly kind: 'query'; readonly query: Query }
    | { readonly kind: 'execute'; readonly execute: ExecuteProcedure | ExecuteText }
    | { readonly kind: 'default values' };
  readonly output: OutputClause | undefined;
};

export type Assignment =
  | {
      readonly kind: 'column';
      readonly column: Name;
      readonly operator: string;
      readonly value: Expression | 'default';
      readonly variable: string | undefined;
    }
  | { readonly kind: 'variable'; readonly name: string; readonly operator: string; readonly value: Expression };

export type UpdateStatement = At & {
  readonly kind: 'update';
  readonly target: Name;
  readonly hints: readonly string[];
  readonly top: Expression | undefined;
  readonly assignments: readonly Assignment[];
  readonly from: readonly TableReference[];
  readonly where: Condition | undefined;
  readonly output: OutputClause | undefined;
  readonly with: Query['with'];
};
export type DeleteStatement = At & {
  readonly kind: 'delete';
  readonly target: Name;
  readonly hints: readonly string[];
  readonly top: Expression | undefined;
  readonly from: readonly TableReference[];
  readonly where: Condition | undefined;
  readonly output: OutputClause | undefined;
  readonly with: Query['with'];
};

/** WHEN clauses in the order they are written; at most one for rows that match and one for those that do not. */
export type MergeStatement = At & {
  readonly kind: 'merge';
  readonly target: Extract<TableReference, { kind: 'table' }>;
  readonly source: TableReference;
  readonly on: Condition;
  readonly matched:
    | { readonly kind: 'update'; readonly and: Condition | undefined; readonly assignments: readonly Assignment[] }
    | { readonly kind: 'delete'; readonly and: Condition | undefined }
    | undefined;
  readonly notMatched:
    | {
        readonly and: Condition | undefined;
        readonly columns: readonly string[] | undefined;
        readonly values: readonly Expression[];
      }
    | undefined;
};

export type DeviceSyntax = { readonly type: 'disk' | 'url'; readonly path: TextOrVariable };

/** One WITH option of BACKUP or RESTORE, spelled in upper case; what it means is decided by recovery-options.ts. */
export type RecoveryOption = At & {
  readonly name: string;
  readonly value: Expression | undefined;
  /** MOVE 'a' TO 'b'; STOPATMARK = 'm' AFTER 't'. */
  readonly second: Expression | undefined;
  /** COMPRESSION (ALGORITHM = x), ENCRYPTION (…): the words inside the brackets. */
  readonly detail: string | undefined;
};

export type SetStatement = At & {
  readonly kind: 'set';
  readonly options: readonly string[];
  readonly value: 'on' | 'off' | { readonly words: readonly string[] } | Expression;
  readonly table: Name | undefined;
};

export type AlterDatabaseSyntax = At & {
  readonly kind: 'alter database';
  readonly database: string;
  readonly option: string;
  readonly value: string | undefined;
  readonly termination:
    | { readonly kind: 'rollback immediate' | 'no wait' }
    | { readonly kind: 'rollback after'; readonly seconds: number }
    | undefined;
};

export type Statement =
  | (At & { readonly kind: 'select'; readonly query: Query })
  | InsertStatement
  | UpdateStatement
  | DeleteStatement
  | (At & { readonly kind: 'truncate'; readonly target: Name })
  | (At & {
      readonly kind: 'create table';
      readonly table: Name;
      readonly columns: readonly ColumnSyntax[];
      readonly constraints: readonly ConstraintSyntax[];
    })
  | (At & { readonly kind: 'alter table'; readonly table: Name; readonly columns: readonly ColumnSyntax[] })
  | (At & {
      readonly kind: 'create index';
      readonly name: string;
      readonly table: Name;
      readonly unique: boolean;
      readonly columns: readonly string[];
      readonly filter: readonly IndexFilter[];
    })
  | MergeStatement
  | (At & {
      readonly kind: 'drop';
      readonly what: 'table' | 'database';
      readonly ifExists: boolean;
      readonly names: readonly Name[];
    })
  | (At & {
      readonly kind: 'create database';
      readonly database: string;
      readonly files: readonly { readonly log: boolean; readonly options: Readonly<Record<string, string>> }[];
    })
  | (At & { readonly kind: 'create login' | 'drop login'; readonly name: string })
  | AlterDatabaseSyntax
  | (At & { readonly kind: 'use'; readonly database: string })
  | SetStatement
  | (At & {
      readonly kind: 'declare';
      readonly variables: readonly {
        readonly name: string;
        readonly type: SqlType;
        readonly value: Expression | undefined;
      }[];
    })
  | (At & {
      readonly kind: 'declare table';
      readonly name: string;
      readonly columns: readonly ColumnSyntax[];
      readonly constraints: readonly ConstraintSyntax[];
    })
  | (At & {
      readonly kind: 'set variable';
      readonly name: string;
      readonly operator: string;
      readonly value: Expression;
    })
  | (At & {
      readonly kind: 'if';
      readonly condition: Condition;
      readonly then: Statement;
      readonly otherwise: Statement | undefined;
    })
  | (At & { readonly kind: 'while'; readonly condition: Condition; readonly body: Statement })
  | (At & { readonly kind: 'break' | 'continue' | 'empty' })
  | (At & { readonly kind: 'block'; readonly body: readonly Statement[] })
  | (At & { readonly kind: 'try'; readonly body: readonly Statement[]; readonly handler: readonly Statement[] })
  | (At & { readonly kind: 'throw'; readonly arguments: readonly [Expression, Expression, Expression] | undefined })
  | (At & {
      readonly kind: 'raiserror';
      readonly text: Expression;
      readonly severity: Expression;
      readonly state: Expression;
      readonly arguments: readonly Expression[];
      readonly options: readonly string[];
    })
  | (At & { readonly kind: 'print'; readonly value: Expression })
  | (At & { readonly kind: 'return'; readonly value: Expression | undefined })
  | (At & { readonly kind: 'waitfor'; readonly what: 'delay' | 'time'; readonly value: Expression })
  | ExecuteProcedure
  | ExecuteText
  | (At & {
      readonly kind: 'begin transaction';
      readonly name: TransactionName;
      readonly mark: { readonly description: Expression | undefined } | undefined;
      readonly distributed: boolean;
    })
  | (At & { readonly kind: 'commit' | 'rollback' | 'save'; readonly name: TransactionName })
  | (At & {
      readonly kind: 'backup';
      readonly what: 'database' | 'log';
      readonly database: TextOrVariable;
      readonly devices: readonly DeviceSyntax[];
      readonly mirrored: boolean;
      readonly options: readonly RecoveryOption[];
    })
  | (At & {
      readonly kind: 'restore';
      readonly what: 'database' | 'log';
      readonly database: TextOrVariable;
      readonly devices: readonly DeviceSyntax[];
      readonly options: readonly RecoveryOption[];
    })
  | (At & {
      readonly kind: 'restore information';
      readonly what: 'headeronly' | 'filelistonly' | 'labelonly' | 'verifyonly';
      readonly devices: readonly DeviceSyntax[];
      readonly options: readonly RecoveryOption[];
    })
  | (At & { readonly kind: 'kill'; readonly target: Expression; readonly option: string | undefined })
  | (At & { readonly kind: 'reconfigure' })
  /** Recognised, and refused when it is reached: `what` names it. */
  | (At & { readonly kind: 'unsupported'; readonly what: string });
