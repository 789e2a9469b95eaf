import type { ExecutionId, GroupId, InstanceId, MarkName, StandbyId } from '@holdfast/domain';
import { currentOrNewTrace } from '@holdfast/service/tracing';
import type { Reader, Transactor } from '@holdfast/store';
import type { ShippingTables } from '../tables.ts';
import type { ShippingReason } from './reason.ts';
import type { Pause, Standby, StandbyInstance, StandbyState, TransferFolder } from './standby.ts';

type Db = Reader<ShippingTables>;
type Tx = Transactor<ShippingTables>;

export async function findStandby(db: Db, id: StandbyId): Promise<Standby | undefined> {
  const row = await db.selectFrom('standby').selectAll().where('standby_id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : (await withInstances(db, [row]))[0];
}

/** The traceparent of what was asked of it last; undefined once that is brought about. */
export async function findTrace(db: Db, id: StandbyId): Promise<string | undefined> {
  const row = await db.selectFrom('standby').select('traceparent').where('standby_id', '=', id).executeTakeFirst();
  return row?.traceparent ?? undefined;
}

/** What the runners do for it goes on in the trace of what is under way here. */
export async function keepTrace(tx: Tx, id: StandbyId): Promise<void> {
  await tx.updateTable('standby').set({ traceparent: currentOrNewTrace() }).where('standby_id', '=', id).execute();
}

export async function endTrace(tx: Tx, id: StandbyId): Promise<void> {
  await tx
    .updateTable('standby')
    .set({ traceparent: null })
    .where('standby_id', '=', id)
    .where('traceparent', 'is not', null)
    .execute();
}

/** Of one group, or all; oldest first. */
export async function listStandbys(db: Db, groupId?: GroupId): Promise<Standby[]> {
  const all = db.selectFrom('standby').selectAll().orderBy('standby_id');
  return withInstances(db, await (groupId === undefined ? all : all.where('group_id', '=', groupId)).execute());
}

/** Which standby of the group this instance belongs to already. */
export async function standbyOn(db: Db, groupId: GroupId, instanceId: InstanceId): Promise<StandbyId | undefined> {
  const row = await db
    .selectFrom('standby_instance')
    .select('standby_id')
    .where('group_id', '=', groupId)
    .where('instance_id', '=', instanceId)
    .executeTakeFirst();
  return row?.standby_id as StandbyId | undefined;
}

export async function insertStandby(
  tx: Tx,
  standby: Standby,
  created: { readonly at: string; readonly by: string },
): Promise<void> {
  await tx
    .insertInto('standby')
    .values({
      ...changing(standby),
      standby_id: standby.id,
      group_id: standby.groupId,
      site: standby.site,
      rest_at_mark: standby.restAtMark ? 1 : 0,
      created_at: created.at,
      created_by: created.by,
    })
    .execute();
  for (const instance of standby.instances) {
    await tx
      .insertInto('standby_instance')
      .values({
        standby_id: standby.id,
        group_id: standby.groupId,
        instance_id: instance.instanceId,
        instance_name: instance.instanceName,
        sources: JSON.stringify(instance.sourceInstances),
        folders: JSON.stringify(instance.folders),
        observed_at: instance.observedAt,
        error: instance.error,
      })
      .execute();
  }
}

/** Everything of it that changes after its creation. */
export async function saveStandby(tx: Tx, standby: Standby): Promise<void> {
  await tx.updateTable('standby').set(changing(standby)).where('standby_id', '=', standby.id).execute();
  for (const { instanceId, observedAt, error } of standby.instances) {
    await tx
      .updateTable('standby_instance')
      .set({ observed_at: observedAt, error })
      .where('standby_id', '=', standby.id)
      .where('instance_id', '=', instanceId)
      .execute();
  }
}

function changing(standby: Standby) {
  return {
    group_name: standby.groupName,
    state: standby.state,
    reasons: JSON.stringify(standby.reasons),
    version: standby.version,
    newest_common_mark: standby.newestCommonMark,
    claim_execution_id: standby.claim?.executionId ?? null,
    claim_yielded_at: standby.claim?.yieldedAt ?? null,
    pause: standby.pause === null ? null : JSON.stringify(standby.pause),
    observed_at: standby.observedAt,
  };
}

async function withInstances(db: Db, rows: readonly ShippingTables['standby'][]): Promise<Standby[]> {
  if (rows.length === 0) return [];
  const ids = rows.map(row => row.standby_id);
  const found = await db
    .selectFrom('standby_instance')
    .selectAll()
    .where('standby_id', 'in', ids)
    .orderBy('instance_name')
    .execute();
  const instances = Map.groupBy(found, row => row.standby_id);
  return rows.map(row => ({
    id: row.standby_id as StandbyId,
    groupId: row.group_id as GroupId,
    groupName: row.group_name,
    site: row.site,
    restAtMark: row.rest_at_mark === 1,
    state: row.state as StandbyState,
    reasons: JSON.parse(row.reasons) as ShippingReason[],
    version: row.version,
    newestCommonMark: row.newest_common_mark as MarkName | null,
    claim:
      row.claim_execution_id === null
        ? null
        : { executionId: row.claim_execution_id as ExecutionId, yieldedAt: row.claim_yielded_at },
    pause: row.pause === null ? null : (JSON.parse(row.pause) as Pause),
    observedAt: row.observed_at,
    instances: (instances.get(row.standby_id) ?? []).map(toInstance),
  }));
}

function toInstance(row: ShippingTables['standby_instance']): StandbyInstance {
  return {
    standbyId: row.standby_id as StandbyId,
    instanceId: row.instance_id as InstanceId,
    instanceName: row.instance_name,
    sourceInstances: JSON.parse(row.sources) as string[],
    folders: JSON.parse(row.folders) as TransferFolder[],
    observedAt: row.observed_at,
    error: row.error,
  };
}
