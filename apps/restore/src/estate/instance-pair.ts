import type { Estate } from './estate.ts';

export type Place = { readonly instanceId: string; readonly name: string };

/** A source instance, and a standby instance at which databases of it are restored. */
export type InstancePair = { readonly source: Place; readonly standby: Place };

/** Each once, from the standby's streams. */
export function pairsOf({ group, standby }: Pick<Estate, 'group' | 'standby'>): readonly InstancePair[] {
  const pairs = new Map<string, InstancePair>();
  for (const { databaseId, instanceId } of standby.streams) {
    const sourceId = group.databases.find(database => database.databaseId === databaseId)?.instanceId;
    if (sourceId == null) continue;
    const name = group.instances.find(instance => instance.instanceId === sourceId)?.name ?? sourceId;
    pairs.set(`${sourceId} ${instanceId}`, {
      source: { instanceId: sourceId, name },
      standby: standbyPlace(standby, instanceId),
    });
  }
  return [...pairs.values()];
}

/** Standby instances that databases are restored at, the one of the management database first. */
export function standbyPlaces({ group, standby }: Pick<Estate, 'group' | 'standby'>): readonly Place[] {
  const home = standby.streams.find(({ databaseId }) => databaseId === group.managementDatabaseId)?.instanceId;
  const ids = [...new Set(standby.streams.map(({ instanceId }) => instanceId))];
  return ids
    .map(instanceId => standbyPlace(standby, instanceId))
    .sort((a, b) => Number(b.instanceId === home) - Number(a.instanceId === home) || (a.name < b.name ? -1 : 1));
}

function standbyPlace({ instances }: Estate['standby'], instanceId: string): Place {
  return {
    instanceId,
    name: instances.find(instance => instance.instanceId === instanceId)?.instanceName ?? instanceId,
  };
}
