import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import type { GroupTables } from '../estate/estate.ts';

/** A BizTalk group as registered: defined by its databases, found through its Management database. */
export type Group = {
  readonly id: GroupId;
  /** Raised with every `group.observed`; 0 until the first one is published. */
  readonly version: number;
  readonly name: string;
  readonly site: string;
  readonly tags: readonly string[];
  readonly managementDatabaseId: DatabaseId;
  /** RFC 3339, UTC. */
  readonly registeredAt: string;
  readonly observedAt: string | null;
  readonly observationError: string | null;
  readonly awaitedInstances: readonly AwaitedInstance[];
  /** As of the last look; null when they were not kept then. */
  readonly tables: GroupTables | null;
  /** What was last published of it (`toldOfGroup`); null: nothing yet. */
  readonly told: string | null;
};

/** An instance that the group's tables name and that could not be seen yet: not even whether it is one that is known by another name. */
export type AwaitedInstance = {
  readonly name: string;
  readonly databaseNames: readonly string[];
  /** Why the way to it did not lead there; null: nobody has given one. */
  readonly problem: string | null;
};

/** Why nothing is known of it, and what to do. */
export function awaitedReason({ name, problem }: AwaitedInstance) {
  const known = { evidence: problem, since: null };
  return problem === null
    ? {
        code: 'INSTANCE_NOT_ADDRESSED',
        message: `The group's tables name ${name}, and nobody has given its address.`,
        fix: `Register it with registerSqlInstance under the name ${name}.`,
        ...known,
      }
    : {
        code: 'INSTANCE_NOT_SEEN',
        message: `The group's tables name ${name}, which did not answer at its address yet.`,
        fix: 'Check that the instance runs; it is asked again.',
        ...known,
      };
}

/** An instance as the group's tables name it. */
export type GroupInstance = { readonly instanceId: InstanceId; readonly name: string };
