import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import type { DatabaseRole } from '@holdfast/domain/biztalk';

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
};
