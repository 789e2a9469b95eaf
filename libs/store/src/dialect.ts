import { type InsertQueryBuilder, type InsertResult, type SelectQueryBuilder, SelectQueryNode, sql } from 'kysely';

/**
 * The few statements that SQLite and SQL Server write differently. Kysely compiles `limit`, `onConflict` and `returning` for SQL Server
 * without complaint into text that is no T-SQL, so stores reach them only through here.
 */
export type StoreDialect = {
  readonly name: 'sqlite' | 'mssql';
  /** The first `rows` rows of an ordered select. @throws Error when it has no order */
  page<DB, Tables extends keyof DB, Row>(
    query: SelectQueryBuilder<DB, Tables, Row>,
    rows: number,
  ): SelectQueryBuilder<DB, Tables, Row>;
  /** Inserts unless a row with the same `key` is there. `numInsertedOrUpdatedRows` tells which. */
  insertIgnore<DB, Table extends keyof DB>(
    insert: InsertQueryBuilder<DB, Table, InsertResult>,
    on: { readonly key: readonly (keyof DB[Table] & string)[] },
  ): InsertQueryBuilder<DB, Table, InsertResult>;
  /** Inserts, or replaces `columns` where a row with the same `key` is there. */
  upsert<DB, Table extends keyof DB>(
    insert: InsertQueryBuilder<DB, Table, InsertResult>,
    on: {
      readonly key: readonly (keyof DB[Table] & string)[];
      readonly columns: readonly (keyof DB[Table] & string)[];
    },
  ): InsertQueryBuilder<DB, Table, InsertResult>;
};

/** Values that one list of a statement may have: a call to SQL Server takes 2,100 parameters (learn.microsoft.com: maximum capacity specifications). */
export const mostInList = 1_000;

const statements: Omit<StoreDialect, 'name'> = {
  page: (query, rows) => {
    // SQL Server has no page of what has no order: refused everywhere, so that every suite finds it.
    const node = query.toOperationNode();
    if (!SelectQueryNode.is(node) || node.orderBy === undefined)
      throw new Error('A page needs an order: .orderBy(…) first.');
    return query.limit(rows);
  },
  insertIgnore: (insert, { key }) => insert.onConflict(conflict => conflict.columns(key).doNothing()),
  upsert: (insert, { key, columns }) =>
    insert.onConflict(conflict =>
      conflict
        .columns(key)
        .doUpdateSet(Object.fromEntries(columns.map(column => [column, sql.ref(`excluded.${column}`)])) as never),
    ),
};

/** SQLite reads these statements as Kysely writes them; for SQL Server the compiler writes them anew (sql-server-compiler.ts). */
export const sqliteDialect: StoreDialect = { name: 'sqlite', ...statements };
export const mssqlDialect: StoreDialect = { name: 'mssql', ...statements };
