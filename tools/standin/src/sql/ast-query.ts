/** The typed syntax tree: names, expressions, conditions and queries. */
import type { Comparison } from '../comparison.ts';
import type { SqlType, TypedValue } from '../values.ts';

/** `a.b.c.d` from the left; an omitted part (`tempdb..t`) is ''. */
export type Name = { readonly parts: readonly string[]; readonly line: number };

export type Expression =
  | { readonly kind: 'literal'; readonly literal: TypedValue; readonly text: string }
  | { readonly kind: 'column'; readonly name: Name }
  | { readonly kind: 'variable'; readonly name: string; readonly line: number }
  /** `@@SPID`, in upper case. */
  | { readonly kind: 'global'; readonly name: string; readonly line: number }
  | { readonly kind: 'unary'; readonly operator: '-' | '+' | '~'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^';
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'case';
      readonly operand: Expression | undefined;
      readonly branches: readonly CaseBranch[];
      readonly otherwise: Expression | undefined;
    }
  | CallExpression
  | {
      readonly kind: 'cast';
      readonly operand: Expression;
      readonly type: SqlType;
      readonly style: Expression | undefined;
      readonly onFailure: 'error' | 'null';
      readonly line: number;
    }
  | { readonly kind: 'subquery'; readonly query: Query }
  | { readonly kind: 'iif'; readonly condition: Condition; readonly then: Expression; readonly otherwise: Expression };

export type CaseBranch = { readonly when: Expression | Condition; readonly then: Expression };

/** A function call; `name` in upper case. `star`: COUNT(*). A date part (DATEADD(day, …)) is a 'column' expression. */
export type CallExpression = {
  readonly kind: 'call';
  readonly name: string;
  readonly arguments: readonly Expression[];
  readonly distinct: boolean;
  readonly star: boolean;
  readonly over: { readonly partitionBy: readonly Expression[]; readonly orderBy: readonly OrderItem[] } | undefined;
  readonly line: number;
};

export type ComparisonOperator = Comparison;

export type Condition =
  | {
      readonly kind: 'compare';
      readonly operator: ComparisonOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'quantified';
      readonly operator: ComparisonOperator;
      readonly left: Expression;
      readonly all: boolean;
      readonly query: Query;
    }
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not'; readonly operand: Condition }
  | { readonly kind: 'is null'; readonly operand: Expression; readonly not: boolean }
  | {
      readonly kind: 'in list';
      readonly operand: Expression;
      readonly items: readonly Expression[];
      readonly not: boolean;
    }
  | { readonly kind: 'in query'; readonly operand: Expression; readonly query: Query; readonly not: boolean }
  | {
      readonly kind: 'between';
      readonly operand: Expression;
      readonly low: Expression;
      readonly high: Expression;
      readonly not: boolean;
    }
  | {
      readonly kind: 'like';
      readonly operand: Expression;
      readonly pattern: Expression;
      readonly escape: Expression | undefined;
      readonly not: boolean;
    }
  | { readonly kind: 'exists'; readonly query: Query };

export type OrderItem = { readonly value: Expression; readonly descending: boolean };

export type SelectItem =
  | { readonly kind: 'star'; readonly qualifier: Name | undefined }
  | { readonly kind: 'expression'; readonly value: Expression; readonly alias: string | undefined }
  | { readonly kind: 'assign'; readonly variable: string; readonly operator: string; readonly value: Expression };

export type TableReference =
  | {
      readonly kind: 'table';
      readonly name: Name;
      readonly alias: string | undefined;
      readonly hints: readonly string[];
    }
  | {
      readonly kind: 'function';
      readonly name: Name;
      readonly arguments: readonly Expression[];
      readonly alias: string | undefined;
    }
  | { readonly kind: 'derived'; readonly query: Query; readonly alias: string; readonly columns: readonly string[] }
  | {
      readonly kind: 'values';
      readonly rows: readonly ValueRow[];
      readonly alias: string;
      readonly columns: readonly string[];
    }
  | {
      readonly kind: 'join';
      readonly type: 'inner' | 'left' | 'right' | 'full' | 'cross' | 'cross apply' | 'outer apply';
      readonly left: TableReference;
      readonly right: TableReference;
      readonly on: Condition | undefined;
    };

export type ValueRow = readonly (Expression | 'default')[];

export type SelectCore = {
  readonly kind: 'select';
  readonly distinct: boolean;
  readonly top: { readonly count: Expression; readonly percent: boolean; readonly withTies: boolean } | undefined;
  readonly items: readonly SelectItem[];
  readonly into: Name | undefined;
  readonly from: readonly TableReference[];
  readonly where: Condition | undefined;
  readonly groupBy: readonly Expression[];
  readonly having: Condition | undefined;
  readonly line: number;
};

export type QueryBody =
  | SelectCore
  | {
      readonly kind: 'union';
      readonly operator: 'union' | 'union all' | 'except' | 'intersect';
      readonly left: QueryBody;
      readonly right: QueryBody;
    };

export type CommonTable = { readonly name: string; readonly columns: readonly string[]; readonly query: Query };

export type Query = {
  readonly with: readonly CommonTable[];
  readonly body: QueryBody;
  readonly orderBy: readonly OrderItem[];
  readonly offset: { readonly skip: Expression; readonly fetch: Expression | undefined } | undefined;
};
