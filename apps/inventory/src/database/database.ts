import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import type { DatabaseRole } from '@holdfast/domain/biztalk';
import { sameName, type SeenDatabase } from '../estate/estate.ts';

/** A logical member of a group. `state` and `recoveryModel` are null when sys.databases did not show it. */
export type GroupDatabase = {
  readonly id: DatabaseId;
  readonly groupId: GroupId;
  readonly name: string;
  readonly role: DatabaseRole;
  readonly instanceId: InstanceId;
  readonly inBackupJob: boolean;
  readonly state: string | null;
  readonly recoveryModel: string | null;
  /** The server as the group's tables have it; null: it was not kept at the last look. */
  readonly storedServer: string | null;
  /** adm_OtherBackupDatabases.DefaultDatabaseName; null: it is not there. */
  readonly otherName: string | null;
};

/** As its instance shows it now. */
export function withSeenStates(database: GroupDatabase, seen: readonly SeenDatabase[]): GroupDatabase {
  const { state = null, recoveryModel = null } = seen.find(({ name }) => sameName(name, database.name)) ?? {};
  return { ...database, state, recoveryModel };
}
