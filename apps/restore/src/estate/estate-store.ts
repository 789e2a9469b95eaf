import type { ExecutionId, GroupId, InstanceId, StandbyId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { RestoreTables } from '../tables.ts';
import type {
  AddressView,
  CopyView,
  Estate,
  GroupView,
  JobsView,
  LoginsView,
  PointView,
  SetView,
  StandbyView,
  StreamView,
} from './estate.ts';

// `body` is the event's payload as its contract checked it when it came.
export type EstateTables = {
  group_view: { group_id: string; version: number; body: string };
  address_view: { instance_id: string; version: number; body: string };
  login_view: { instance_id: string; version: number; body: string };
  job_view: { instance_id: string; version: number; body: string };
  set_view: { set_id: string; group_id: string; version: number; body: string };
  point_view: { recovery_point_id: string; group_id: string; version: number; body: string };
  standby_view: { standby_id: string; group_id: string; version: number; body: string };
  copy_view: { standby_id: string; file_id: string; body: string };
  stream_view: { stream_id: string; standby_id: string; version: number; body: string };
  standby_yield: { execution_id: string; standby_id: string; yielded_at: string };
};

export async function saveGroup(tx: Transactor<RestoreTables>, view: GroupView): Promise<void> {
  const { groupId: group_id, version } = view;
  const known = await tx.selectFrom('group_view').select('version').where('group_id', '=', group_id).executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('group_view').values({ group_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['group_id'], columns: ['version', 'body'] }).execute();
}

export async function saveAddress(tx: Transactor<RestoreTables>, view: AddressView): Promise<void> {
  const { instanceId: instance_id, version } = view;
  const known = await tx
    .selectFrom('address_view')
    .select('version')
    .where('instance_id', '=', instance_id)
    .executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('address_view').values({ instance_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['instance_id'], columns: ['version', 'body'] }).execute();
}

export async function saveLogins(tx: Transactor<RestoreTables>, view: LoginsView): Promise<void> {
  const { instanceId: instance_id, version } = view;
  const known = await tx
    .selectFrom('login_view')
    .select('version')
    .where('instance_id', '=', instance_id)
    .executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('login_view').values({ instance_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['instance_id'], columns: ['version', 'body'] }).execute();
}

export async function saveJobs(tx: Transactor<RestoreTables>, view: JobsView): Promise<void> {
  const { instanceId: instance_id, version } = view;
  const known = await tx
    .selectFrom('job_view')
    .select('version')
    .where('instance_id', '=', instance_id)
    .executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('job_view').values({ instance_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['instance_id'], columns: ['version', 'body'] }).execute();
}

export async function saveSet(tx: Transactor<RestoreTables>, view: SetView): Promise<void> {
  const { setId: set_id, groupId: group_id, version } = view;
  const known = await tx.selectFrom('set_view').select('version').where('set_id', '=', set_id).executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('set_view').values({ set_id, group_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['set_id'], columns: ['version', 'body'] }).execute();
}

export async function savePoint(tx: Transactor<RestoreTables>, view: PointView): Promise<void> {
  const { recoveryPointId: recovery_point_id, groupId: group_id, version } = view;
  const known = await tx
    .selectFrom('point_view')
    .select('version')
    .where('recovery_point_id', '=', recovery_point_id)
    .executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx
    .insertInto('point_view')
    .values({ recovery_point_id, group_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['recovery_point_id'], columns: ['version', 'body'] }).execute();
}

export async function saveStandby(tx: Transactor<RestoreTables>, view: StandbyView): Promise<void> {
  const { standbyId: standby_id, groupId: group_id, version } = view;
  const known = await tx
    .selectFrom('standby_view')
    .select('version')
    .where('standby_id', '=', standby_id)
    .executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('standby_view').values({ standby_id, group_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['standby_id'], columns: ['version', 'body'] }).execute();
}

export async function saveStream(tx: Transactor<RestoreTables>, view: StreamView): Promise<void> {
  const { streamId: stream_id, standbyId: standby_id, version } = view;
  const known = await tx
    .selectFrom('stream_view')
    .select('version')
    .where('stream_id', '=', stream_id)
    .executeTakeFirst();
  if (isOld(known, version)) return;
  const insert = tx.insertInto('stream_view').values({ stream_id, standby_id, version, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['stream_id'], columns: ['version', 'body'] }).execute();
}

/** A file that was copied again replaces what was known of it. */
export async function saveCopy(tx: Transactor<RestoreTables>, view: CopyView): Promise<void> {
  const { standbyId: standby_id, fileId: file_id } = view;
  const insert = tx.insertInto('copy_view').values({ standby_id, file_id, body: JSON.stringify(view) });
  await tx.dialect.upsert(insert, { key: ['standby_id', 'file_id'], columns: ['body'] }).execute();
}

export async function saveYield(
  tx: Transactor<RestoreTables>,
  answer: { readonly executionId: string; readonly standbyId: string; readonly yieldedAt: string },
): Promise<void> {
  const { executionId: execution_id, standbyId: standby_id, yieldedAt: yielded_at } = answer;
  await tx.dialect
    .insertIgnore(tx.insertInto('standby_yield').values({ execution_id, standby_id, yielded_at }), {
      key: ['execution_id'],
    })
    .execute();
}

/** Whether shipping has answered this execution's claim; the answer to another one does not count. */
export async function hasYielded(db: Reader<RestoreTables>, executionId: ExecutionId): Promise<boolean> {
  const row = await db
    .selectFrom('standby_yield')
    .select('standby_id')
    .where('execution_id', '=', executionId)
    .executeTakeFirst();
  return row !== undefined;
}

export async function findGroup(db: Reader<RestoreTables>, groupId: GroupId): Promise<GroupView | undefined> {
  const row = await db.selectFrom('group_view').select('body').where('group_id', '=', groupId).executeTakeFirst();
  return row && read<GroupView>(row);
}

export async function findAddress(db: Reader<RestoreTables>, instanceId: InstanceId): Promise<AddressView | undefined> {
  const row = await db
    .selectFrom('address_view')
    .select('body')
    .where('instance_id', '=', instanceId)
    .executeTakeFirst();
  return row && read<AddressView>(row);
}

export async function findLogins(db: Reader<RestoreTables>, instanceId: InstanceId): Promise<LoginsView | undefined> {
  const row = await db.selectFrom('login_view').select('body').where('instance_id', '=', instanceId).executeTakeFirst();
  return row && read<LoginsView>(row);
}

export async function findJobs(db: Reader<RestoreTables>, instanceId: InstanceId): Promise<JobsView | undefined> {
  const row = await db.selectFrom('job_view').select('body').where('instance_id', '=', instanceId).executeTakeFirst();
  return row && read<JobsView>(row);
}

/** Undefined while group or standby have not been published. The standby may be another group's: the caller compares. */
export async function findEstate(
  db: Reader<RestoreTables>,
  groupId: GroupId,
  standbyId: StandbyId,
): Promise<Estate | undefined> {
  const group = await findGroup(db, groupId);
  const standby = await db
    .selectFrom('standby_view')
    .select('body')
    .where('standby_id', '=', standbyId)
    .executeTakeFirst();
  if (group === undefined || standby === undefined) return undefined;
  const sets = await db.selectFrom('set_view').select('body').where('group_id', '=', groupId).execute();
  const points = await db.selectFrom('point_view').select('body').where('group_id', '=', groupId).execute();
  const copies = await db.selectFrom('copy_view').select('body').where('standby_id', '=', standbyId).execute();
  const streams = await db.selectFrom('stream_view').select('body').where('standby_id', '=', standbyId).execute();
  return {
    group,
    standby: read<StandbyView>(standby),
    sets: sets.map(row => read<SetView>(row)),
    points: points.map(row => read<PointView>(row)),
    copies: copies.map(row => read<CopyView>(row)),
    streams: streams.map(row => read<StreamView>(row)),
  };
}

function isOld(known: { readonly version: number } | undefined, version: number): boolean {
  return known !== undefined && known.version >= version;
}

function read<View>({ body }: { readonly body: string }): View {
  return JSON.parse(body) as View;
}
