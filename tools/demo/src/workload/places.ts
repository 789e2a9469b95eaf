import type { SqlServer } from '../sql-connection.ts';

/** Database → the source instance where it lies, in the one order in which every transaction writes. */
export type Places = ReadonlyMap<string, string>;

export function placesOf(servers: readonly Pick<SqlServer, 'name' | 'databases'>[]): Places {
  return new Map(servers.flatMap(({ name, databases }) => databases.map(database => [database, name] as const)));
}

export function spansInstances(databases: readonly string[], places: Places): boolean {
  return new Set(databases.map(database => places.get(database))).size > 1;
}
