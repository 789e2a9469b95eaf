import {
  ColumnNode,
  type InsertQueryNode,
  type LimitNode,
  MssqlQueryCompiler,
  type OperationNode,
  type OnConflictNode,
  PrimitiveValueListNode,
  type ReturningNode,
  type SelectQueryNode,
  ValueNode,
  ValuesNode,
} from 'kysely';

/**
 * Writes what the store's dialect builds as T-SQL. Kysely's own compiler for SQL Server writes `limit`, `on conflict` and `returning` down as
 * they are, which no SQL Server reads (stack.md §2).
 */
export class StoreMssqlCompiler extends MssqlQueryCompiler {
  protected override visitSelectQuery(node: SelectQueryNode): void {
    if (node.limit !== undefined && (node.orderBy === undefined || node.offset !== undefined))
      throw new Error('On SQL Server only an ordered select without offset has a page: dialect.page.');
    super.visitSelectQuery(node);
  }

  protected override visitLimit({ limit }: LimitNode): void {
    this.append('offset 0 rows fetch next ');
    this.visitNode(limit);
    this.append(' rows only');
  }

  protected override visitReturning(_node: ReturningNode): void {
    throw new Error('SQL Server has no RETURNING: select the row, or write OUTPUT.');
  }

  protected override visitOnConflict(_node: OnConflictNode): void {
    throw new Error('SQL Server has no ON CONFLICT: use dialect.insertIgnore or dialect.upsert.');
  }

  protected override visitInsertQuery(node: InsertQueryNode): void {
    const { onConflict, into, columns, values } = node;
    if (onConflict === undefined) {
      super.visitInsertQuery(node);
      return;
    }
    if (
      into === undefined ||
      columns === undefined ||
      values === undefined ||
      !ValuesNode.is(values) ||
      node.with !== undefined
    )
      throw new Error('On SQL Server only rows of values are inserted where their key is new.');
    if (onConflict.columns === undefined || onConflict.columns.length === 0)
      throw new Error('On SQL Server the key has to be named: dialect.insertIgnore.');
    const rows = { into, columns, values, key: onConflict.columns };
    if (onConflict.doNothing === true) this.#insertNew(rows);
    else this.#merge(rows, onConflict.updates ?? []);
  }

  /** The lock is kept to the end of the transaction, also where there is no row: nobody inserts it meanwhile. */
  #insertNew({ into, columns, values, key }: Rows): void {
    this.append('insert into ');
    this.visitNode(into);
    this.append(' (');
    this.compileList(columns);
    this.append(') select ');
    const places = this.#oneRow(values);
    if (places === undefined) {
      this.compileList(columns);
      this.append(' from ');
      this.#source({ columns, values });
    }
    this.append(' where not exists (select 1 from ');
    this.visitNode(into);
    this.append(' as "target" with (updlock, holdlock) where ');
    if (places === undefined) this.#sameKey(key);
    else
      this.#sameKey(key, column =>
        this.append(places[columns.findIndex(each => nameOf(each) === nameOf(column))] ?? ''),
      );
    this.append(')');
  }

  /** Writes the values of a single row and says where each stands: a key compared with a parameter is looked up. */
  #oneRow({ values }: ValuesNode): readonly string[] | undefined {
    const [row, ...others] = values;
    if (row === undefined || others.length > 0) return undefined;
    const nodes = PrimitiveValueListNode.is(row) ? row.values.map(value => ValueNode.create(value)) : row.values;
    if (!nodes.every(node => ValueNode.is(node) && node.immediate !== true)) return undefined;
    const places: string[] = [];
    this.#list(nodes, node => {
      this.visitNode(node);
      places.push(this.getCurrentParameterPlaceholder());
    });
    return places;
  }

  #merge({ into, columns, values, key }: Rows, updates: readonly OperationNode[]): void {
    this.append('merge into ');
    this.visitNode(into);
    this.append(' with (holdlock) as "target" using ');
    this.#source({ columns, values });
    this.append(' on ');
    this.#sameKey(key);
    this.append(' when matched then update set ');
    this.compileList(updates);
    this.append(' when not matched then insert (');
    this.compileList(columns);
    this.append(') values (');
    this.#list(columns, column => this.#ofSource(column));
    this.append(');');
  }

  #source({ columns, values }: Pick<Rows, 'columns' | 'values'>): void {
    this.append('(');
    this.visitNode(values);
    this.append(') as "excluded" (');
    this.compileList(columns);
    this.append(')');
  }

  #sameKey(key: readonly OperationNode[], other = (column: OperationNode): void => this.#ofSource(column)): void {
    this.#list(
      key,
      column => {
        this.append('"target".');
        this.visitNode(column);
        this.append(' = ');
        other(column);
      },
      ' and ',
    );
  }

  #ofSource(column: OperationNode): void {
    this.append('"excluded".');
    this.visitNode(column);
  }

  #list(nodes: readonly OperationNode[], each: (node: OperationNode) => void, separator = ', '): void {
    for (const [at, node] of nodes.entries()) {
      if (at > 0) this.append(separator);
      each(node);
    }
  }
}

function nameOf(column: OperationNode): string {
  return ColumnNode.is(column) ? column.column.name : '';
}

type Rows = {
  readonly into: OperationNode;
  readonly columns: readonly OperationNode[];
  readonly values: ValuesNode;
  readonly key: readonly OperationNode[];
};
