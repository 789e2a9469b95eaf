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
import type { Projections } from '@holdfast/service/host';
import type { KnownGroup } from './estate/estate.ts';
import { saveAddress, saveGroup, saveInstance, savePoint, saveSet } from './estate/estate-store.ts';
import { claimStandby, type CommandDependencies, followGroup, releaseStandby } from './standby/standby-commands.ts';
import type { ShippingTables } from './tables.ts';

/**
 * Which event changes what. Nothing is done here: the runners see the change and act. Standbys, streams and copies are our own: what an event
 * did to them is not done again by a rebuild, which meets old groups and claims that ended long ago.
 */
export function reactions(dependencies: CommandDependencies): readonly Reaction<ShippingTables>[] {
  return [
    on(
      groupObserved,
      (tx, group) => followGroup(tx, dependencies, group),
      async (tx, group) => {
        await saveGroup(tx, group as KnownGroup);
      },
    ),
    on(sqlInstanceRegistered, (tx, { instanceId, version, serverName, productVersion }) =>
      saveInstance(tx, { instanceId: instanceId as InstanceId, version, serverName, productVersion }),
    ),
    on(instanceAddressed, saveAddress),
    on(setQualified, saveSet),
    on(recoveryPointJudged, (tx, point, { time }) => savePoint(tx, point, time)),
    on(standbyClaimed, (tx, claim) => claimStandby(tx, dependencies, claim), nothing),
    on(standbyReleased, (tx, release) => releaseStandby(tx, dependencies, release), nothing),
  ];
}

const nothing = async (): Promise<void> => undefined;

/** What the reactions keep, by the key of each table: nothing else writes there, so a rebuild empties it and reads it all again. */
export const projections = {
  known_group: ['group_id'],
  known_instance: ['instance_id'],
  known_address: ['instance_id'],
  known_set: ['set_id'],
  known_file: ['file_id'],
  known_point: ['recovery_point_id'],
} satisfies Projections<ShippingTables>;
