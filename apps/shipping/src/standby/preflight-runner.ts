import type { InstanceId } from '@holdfast/domain';
import { observeDatabases } from '@holdfast/sqlserver/observe';
import { isLost, type StandbyConnections, whyNotAsked } from '../estate/connection-runner.ts';
import type { TargetObservation } from './creation.ts';

/** Looks once at an instance that is to become a standby; changes nothing there. */
export async function lookAtTarget(
  connections: StandbyConnections,
  instanceId: InstanceId,
): Promise<TargetObservation> {
  try {
    const { server, productVersion } = await connections.to(instanceId);
    const { databases } = await observeDatabases(server);
    return { reachable: true, productVersion, databases: databases.map(({ name, state }) => ({ name, state })) };
  } catch (error) {
    const cause = whyNotAsked(error);
    if (cause === undefined) throw error;
    if (isLost(error)) await connections.lost(instanceId);
    return { reachable: false, cause };
  }
}
