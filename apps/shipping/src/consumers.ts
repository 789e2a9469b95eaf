import type { InstanceId } from '@holdfast/domain';
import {
  groupObserved,
  instanceAddressed,
  recoveryPointJudged,
  setQualified,
  sqlInstanceRegistered,
  standbyClaimed,
  standbyReleased,
} from '@holdfast/events';
import { on, type Reaction } from '@holdfast/messaging';
import { saveAddress, saveInstance, savePoint, saveSet } from './estate/estate-store.ts';
import { claimStandby, type CommandDependencies, followGroup, releaseStandby } from './standby/standby-commands.ts';
import type { ShippingTables } from './tables.ts';

/** Which event changes what. Nothing is done here: the runners see the change and act. */
export function reactions(dependencies: CommandDependencies): readonly Reaction<ShippingTables>[] {
  return [
    on(groupObserved, (tx, group) => followGroup(tx, dependencies, group)),
    on(sqlInstanceRegistered, (tx, { instanceId, version, serverName, productVersion }) =>
      saveInstance(tx, { instanceId: instanceId as InstanceId, version, serverName, productVersion }),
    ),
    on(instanceAddressed, saveAddress),
    on(setQualified, saveSet),
    on(recoveryPointJudged, (tx, point, { time }) => savePoint(tx, point, time)),
    on(standbyClaimed, (tx, claim) => claimStandby(tx, dependencies, claim)),
    on(standbyReleased, (tx, release) => releaseStandby(tx, dependencies, release)),
  ];
}
