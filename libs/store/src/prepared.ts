import type { Compilable, CompiledQuery, Kysely, QueryResult } from 'kysely';
import type { StoreDialect } from './dialect.ts';

/** Stands where a value will be. */
class Place {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/**
 * A statement whose text never changes, for what runs with every event: built and compiled by Kysely each time it costs several times as
 * much as it takes to run. `build` runs once, with places instead of `values`: it can name them and hand them to Kysely, not look at them.
 */
export function prepared<Handle extends { readonly dialect: StoreDialect }, Values extends object, Row>(
  build: (db: Handle, values: Values) => Compilable<Row>,
): (db: Handle, values: Values) => Promise<QueryResult<Row>> {
  const compiled = new WeakMap<StoreDialect, CompiledQuery<Row>>();
  const places = new Proxy({}, { get: (_, name) => new Place(String(name)) }) as Values;
  return (db, values) => {
    const query = compiled.get(db.dialect) ?? build(db, places).compile();
    compiled.set(db.dialect, query);
    const given = values as Readonly<Record<string, unknown>>;
    const parameters = query.parameters.map(value => (value instanceof Place ? given[value.name] : value));
    return (db as unknown as Kysely<unknown>).executeQuery({ ...query, parameters });
  };
}
