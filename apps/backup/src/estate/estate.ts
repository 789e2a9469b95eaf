import type { DatabaseId, InstanceId } from '@holdfast/domain';
import type { groupObserved, instanceAddressed, PayloadOf } from '@holdfast/events';

// What inventory published last, as it published it.
export type KnownGroup = PayloadOf<typeof groupObserved>;
export type KnownAddress = PayloadOf<typeof instanceAddressed>;

/** Where a row of the history belongs. */
export type DatabasePlace = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly instanceId: InstanceId;
  /** @@SERVERNAME of the instance. */
  readonly sourceInstance: string;
};

/**
 * The database that a row names, or undefined when inventory has published none of that name (yet), or several and the row's server does
 * not tell them apart. The row has the server as configured, an alias as often as not (biztalk-dr.md §1.3), so it only ever narrows.
 */
export function placeOf(
  group: KnownGroup,
  row: { readonly databaseName: string; readonly serverName: string | null },
): DatabasePlace | undefined {
  const named = group.databases.filter(({ name }) => sameName(name, row.databaseName));
  const found = named.length > 1 ? named.filter(({ instanceId }) => hasName(group, instanceId, row.serverName)) : named;
  const [database, other] = found;
  if (database === undefined || other !== undefined) return undefined;
  const { databaseId, name: databaseName, instanceId } = database;
  const sourceInstance = group.instances.find(instance => instance.instanceId === instanceId)?.serverName;
  if (sourceInstance === undefined) return undefined;
  return {
    databaseId: databaseId as DatabaseId,
    databaseName,
    instanceId: instanceId as InstanceId,
    sourceInstance,
  };
}

/** The Management database and the instance it is on; undefined when the group's facts lack it. */
export function managementOf(
  group: KnownGroup,
): { readonly database: string; readonly instanceId: InstanceId } | undefined {
  const found = group.databases.find(({ databaseId }) => databaseId === group.managementDatabaseId);
  return found === undefined ? undefined : { database: found.name, instanceId: found.instanceId as InstanceId };
}

/** Server and database names compare without regard to letter case. */
export const sameName = (a: string, b: string): boolean => a.toUpperCase() === b.toUpperCase();

function hasName({ instances }: KnownGroup, instanceId: string, name: string | null): boolean {
  return (
    name !== null &&
    instances.some(
      instance =>
        instance.instanceId === instanceId && (sameName(instance.name, name) || sameName(instance.serverName, name)),
    )
  );
}
