/** The objects that catalogue/ and biztalk/ add to an engine, found by name. */
import { foldText } from '../engine/compare.ts';
import type { Database, NativeProcedure, ObjectRegistry, VirtualTable, VirtualTableFunction } from '../contract.ts';

export type ComputedObject = { readonly kind: 'view' | 'procedure'; readonly name: string; readonly objectId: bigint };

/** What sys.objects needs on top of the contract. */
export type CatalogueRegistry = ObjectRegistry & {
  /** Computed objects of schema dbo that belong to `database`: not those of the system. */
  objectsIn(database: Database): readonly ComputedObject[];
};

/** Objects without a database are found from every one, unless their `existsIn` says no. System procedures of sys answer to dbo as well. */
export function createRegistry(): CatalogueRegistry {
  const tables = new Map<string, VirtualTable>();
  const functions = new Map<string, VirtualTableFunction>();
  const procedures = new Map<string, NativeProcedure>();

  return {
    virtualTable: table => void tables.set(key(table.database, table.schema, table.name), table),
    virtualFunction: fn => void functions.set(key(undefined, fn.schema, fn.name), fn),
    procedure: procedure => void procedures.set(key(procedure.database, procedure.schema, procedure.name), procedure),
    findTable: (database, schema, name) => {
      const table = find(tables, database, schema, name);
      return table === undefined ? undefined : { ...table, rows: session => table.rows(session, database) };
    },
    findFunction: (schema, name) => functions.get(key(undefined, schema, name)),
    findProcedure: (database, schema, name) =>
      find(procedures, database, schema, name) ??
      // `master.dbo.xp_fileexist` finds sys.xp_fileexist.
      (foldText(schema) === 'DBO' ? find(procedures, database, 'sys', name) : undefined),
    objectsIn: database => [
      ...owned(tables, database).map(table => computed('view', database, table.name)),
      ...owned(procedures, database).map(procedure => computed('procedure', database, procedure.name)),
    ],
  };
}

type Owned = {
  readonly schema: string;
  readonly database?: string;
  readonly existsIn?: (database: Database) => boolean;
};

function owned<T extends Owned>(objects: ReadonlyMap<string, T>, database: Database): readonly T[] {
  return [...objects.values()].filter(object => {
    if (foldText(object.schema) !== 'DBO') return false;
    if (object.database !== undefined) return foldText(object.database) === foldText(database.name);
    return object.existsIn?.(database) === true;
  });
}

/** Computed objects have no stored id: a stable number from their name, above those of tables. */
function computed(kind: 'view' | 'procedure', database: Database, name: string): ComputedObject {
  let hash = 7n;
  for (const letter of foldText(`${database.name}.dbo.${name}`)) {
    hash = (hash * 31n + BigInt(letter.codePointAt(0) ?? 0)) % 1_000_000_007n;
  }
  return { kind, name, objectId: hash + 1_000_000_000n };
}

function find<T extends { readonly existsIn?: (database: Database) => boolean }>(
  objects: ReadonlyMap<string, T>,
  database: Database,
  schema: string,
  name: string,
): T | undefined {
  const within = `|${foldText(schema)}|${foldText(name)}`;
  const found = objects.get(`${foldText(database.name)}${within}`) ?? objects.get(within);
  return found?.existsIn === undefined || found.existsIn(database) ? found : undefined;
}

function key(database: string | undefined, schema: string, name: string): string {
  return `${database === undefined ? '' : foldText(database)}|${foldText(schema)}|${foldText(name)}`;
}
