import { databasesOfGroup, type GroupRows } from '@holdfast/domain/biztalk';
import type { DatabaseRole } from '@holdfast/domain/biztalk';

/** What one instance says of its databases. */
export type SeenDatabase = { readonly name: string; readonly state: string; readonly recoveryModel: string };
export type SeenInstance = {
  readonly serverName: string;
  readonly productVersion: string;
  readonly databases: readonly SeenDatabase[];
};

/** A database that the group's tables name. `server` as configured: an alias as often as not. */
export type NamedDatabase = {
  readonly server: string;
  readonly databaseName: string;
  readonly role: DatabaseRole;
  readonly inBackupJob: boolean;
};

/** Server and database names compare without regard to letter case. */
export const sameName = (a: string, b: string): boolean => a.toUpperCase() === b.toUpperCase();

/**
 * Every database of the group: those that its tables place, and what the backup job covers besides (a database may be in the view under
 * a spelling of its server that no table has: biztalk-dr.md §1.3).
 */
export function namedDatabases(
  rows: GroupRows,
  covered: readonly { readonly server: string; readonly databaseName: string }[],
): NamedDatabase[] {
  const isCovered = (server: string, databaseName: string) =>
    covered.some(each => sameName(each.server, server) && sameName(each.databaseName, databaseName));
  const placed = databasesOfGroup(rows).map(each => ({
    ...each,
    inBackupJob: isCovered(each.server, each.databaseName),
  }));
  const extra = covered
    .filter(
      ({ server, databaseName }) =>
        !placed.some(each => sameName(each.server, server) && sameName(each.databaseName, databaseName)),
    )
    .map(({ server, databaseName }): NamedDatabase => ({ server, databaseName, role: 'OTHER', inBackupJob: true }));
  return [...placed, ...extra];
}

/** The distinct server names, in the order of their first appearance. */
export function namedServers(databases: readonly NamedDatabase[]): string[] {
  return databases
    .map(({ server }) => server)
    .filter((server, at, all) => all.findIndex(other => sameName(other, server)) === at);
}
