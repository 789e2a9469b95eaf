import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import type { GroupDatabase } from '../database/database.ts';

/** A BizTalk group as registered: defined by its databases, found through its Management database. */
export type Group = {
  readonly id: GroupId;
  readonly version: number;
  readonly name: string;
  readonly site: string;
  readonly tags: readonly string[];
  readonly managementDatabaseId: DatabaseId;
  /** RFC 3339, UTC. */
  readonly registeredAt: string;
  readonly observedAt: string | null;
  readonly observationError: string | null;
};

/** An instance as the group's tables name it. */
export type GroupInstance = { readonly instanceId: InstanceId; readonly name: string };

export type GroupFacts = { readonly instances: readonly GroupInstance[]; readonly databases: readonly GroupDatabase[] };

/** Whether anything is different that others may act on; the moment of looking is not. */
export function factsDiffer(before: GroupFacts, now: GroupFacts): boolean {
  return JSON.stringify(inOrder(before)) !== JSON.stringify(inOrder(now));
}

function inOrder({ instances, databases }: GroupFacts) {
  return {
    instances: [...instances]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ instanceId, name }) => [instanceId, name]),
    databases: [...databases]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map(({ id, name, role, instanceId, inBackupJob, state, recoveryModel }) => [
        id,
        name,
        role,
        instanceId,
        inBackupJob,
        state,
        recoveryModel,
      ]),
  };
}
