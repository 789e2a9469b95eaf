import type { DatabaseId, InstanceId } from '@holdfast/domain';
import type { MarkName } from '@holdfast/domain/mark';
import type { Estate } from '../estate/estate.ts';

/** A source instance with the databases of the group that live there. */
export type Source = {
  readonly instanceId: InstanceId;
  readonly instanceName: string;
  /** The Management database's name at the instance that holds it: its Backup job is there (biztalk-dr.md §1.8). */
  readonly management: string | null;
  readonly databases: readonly { readonly databaseId: DatabaseId; readonly databaseName: string }[];
};

export type SeenJob = { readonly name: string; readonly enabled: boolean; readonly running: boolean };

/** What an instance just said. A state is null when there is no such database; `job` is null when there is no Backup job. */
export type SeenSource = {
  readonly states: ReadonlyMap<DatabaseId, string | null>;
  readonly job: SeenJob | null;
  readonly more: SeenMore | null;
};

/** What the next step wants to know beside that. */
export type Question =
  | { readonly kind: 'SESSIONS' }
  | { readonly kind: 'UNITS' }
  | { readonly kind: 'RUNS'; readonly job: string; readonly afterId: number }
  /** `since`: local time of the server, without offset. */
  | { readonly kind: 'MARKS'; readonly since: string };

export type SeenMore =
  /** Who works in the group's databases there, each once, in words. */
  | { readonly kind: 'SESSIONS'; readonly sessions: readonly string[] }
  /** Parts of distributed transactions that hold databases of the group there and belong to no session. */
  | { readonly kind: 'UNITS'; readonly units: readonly SeenUnit[] }
  /** Runs that have ended, oldest first. */
  | { readonly kind: 'RUNS'; readonly runs: readonly JobRun[] }
  /** Marks committed in the Management database since, oldest first. */
  | { readonly kind: 'MARKS'; readonly marks: readonly MarkName[] };

export type SeenUnit = { readonly unitOfWork: string; readonly databases: readonly string[] };

/** `startedAt`: local time of the server. */
export type JobRun = { readonly historyId: number; readonly outcome: string; readonly startedAt: string };
export type SeenSources = ReadonlyMap<InstanceId, SeenSource>;

/** The instance of the Management database first: its job marks the databases of all of them, and must be idle before any goes away. */
export function sourcesOf({ group }: Pick<Estate, 'group'>): readonly Source[] {
  const management = group.databases.find(({ databaseId }) => databaseId === group.managementDatabaseId);
  const sources = group.instances.map(({ instanceId, name }): Source => {
    const isHome = instanceId === management?.instanceId;
    const own = group.databases.filter(database => database.instanceId === instanceId);
    const rank = (databaseId: string) => (databaseId === group.managementDatabaseId ? 0 : 1);
    return {
      instanceId: instanceId as InstanceId,
      instanceName: name,
      management: isHome ? management.name : null,
      databases: own
        .map(({ databaseId, name: databaseName }) => ({ databaseId: databaseId as DatabaseId, databaseName }))
        .sort((a, b) => rank(a.databaseId) - rank(b.databaseId) || (a.databaseName < b.databaseName ? -1 : 1)),
    };
  });
  return sources.sort((a, b) => Number(a.management === null) - Number(b.management === null));
}
