import type { Lsn, StandbyId, StreamId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { ShippingReason } from '../standby/reason.ts';
import type { ShippingTables } from '../tables.ts';
import type { SeedingEvidence } from './seeding.ts';
import type { MissedMark, Reseed, StepProblem, Stream } from './stream.ts';

type Db = Reader<ShippingTables>;
type Tx = Transactor<ShippingTables>;

export async function findStream(db: Db, id: StreamId): Promise<Stream | undefined> {
  const row = await db.selectFrom('stream').selectAll().where('stream_id', '=', id).executeTakeFirst();
  return row === undefined ? undefined : toStream(row);
}

/** By database name. */
export async function listStreams(db: Db, standbyIds: readonly StandbyId[]): Promise<Stream[]> {
  if (standbyIds.length === 0) return [];
  const rows = await db
    .selectFrom('stream')
    .selectAll()
    .where('standby_id', 'in', standbyIds)
    .orderBy('database_name')
    .orderBy('stream_id')
    .execute();
  return rows.map(toStream);
}

export async function insertStream(tx: Tx, stream: Stream): Promise<void> {
  await tx
    .insertInto('stream')
    .values({
      ...changing(stream),
      stream_id: stream.id,
      standby_id: stream.standbyId,
      group_id: stream.groupId,
      database_id: stream.databaseId,
      database_name: stream.databaseName,
      instance_id: stream.instanceId,
    })
    .execute();
}

export async function saveStream(tx: Tx, stream: Stream): Promise<void> {
  await tx.updateTable('stream').set(changing(stream)).where('stream_id', '=', stream.id).execute();
}

function changing(stream: Stream) {
  return {
    version: stream.version,
    state: stream.state,
    reasons: JSON.stringify(stream.reasons),
    position_lsn: stream.position?.lsn ?? null,
    position_fork: stream.position?.forkGuid ?? null,
    last_restored_set_id: stream.lastRestoredSetId,
    held_back_set_id: stream.heldBackSetId,
    lag_sets: stream.lagSets,
    seeding_file_id: stream.seedingFileId,
    seeding_evidence: stream.seedingEvidence === null ? null : JSON.stringify(stream.seedingEvidence),
    reseed: stream.reseed === null ? null : JSON.stringify(stream.reseed),
    problem: stream.problem === null ? null : JSON.stringify(stream.problem),
    missed_mark: stream.missedMark === null ? null : JSON.stringify(stream.missedMark),
    observed_at: stream.observedAt,
  };
}

function toStream(row: ShippingTables['stream']): Stream {
  return {
    id: row.stream_id as StreamId,
    standbyId: row.standby_id as StandbyId,
    groupId: row.group_id as Stream['groupId'],
    databaseId: row.database_id as Stream['databaseId'],
    databaseName: row.database_name,
    instanceId: row.instance_id as Stream['instanceId'],
    version: row.version,
    state: row.state as Stream['state'],
    reasons: JSON.parse(row.reasons) as ShippingReason[],
    position: row.position_lsn === null ? null : { lsn: row.position_lsn as Lsn, forkGuid: row.position_fork },
    lastRestoredSetId: row.last_restored_set_id as Stream['lastRestoredSetId'],
    heldBackSetId: row.held_back_set_id as Stream['heldBackSetId'],
    lagSets: row.lag_sets,
    seedingFileId: row.seeding_file_id as Stream['seedingFileId'],
    seedingEvidence: row.seeding_evidence === null ? null : (JSON.parse(row.seeding_evidence) as SeedingEvidence),
    reseed: row.reseed === null ? null : (JSON.parse(row.reseed) as Reseed),
    problem: row.problem === null ? null : (JSON.parse(row.problem) as StepProblem),
    missedMark: row.missed_mark === null ? null : (JSON.parse(row.missed_mark) as MissedMark),
    observedAt: row.observed_at,
  };
}
