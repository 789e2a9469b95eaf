import {
  type BackupFileId,
  type BackupSetId,
  type GroupId,
  type Id,
  parseId,
  type RecoveryPointId,
} from '@holdfast/domain';
import type { PointDatabase, RecoveryVerdict } from '@holdfast/domain/recovery-point';
import { allows, type Caller } from '@holdfast/service';
import {
  connection,
  type Observation,
  observationOf,
  type OperationContext,
  pageArguments,
  requireId,
  requireRead,
  scalarResolvers,
} from '@holdfast/service/graphql';
import type { HostDependencies } from '@holdfast/service/host';
import DataLoader from 'dataloader';
import type { Resolvers } from '../generated/resolver-types.ts';
import type { LedgerFile } from './backup-file/backup-file.ts';
import { type LedgerSet, sizeOf } from './backup-set/backup-set.ts';
import { findFiles, findSets, pageOfSets, setCursor } from './backup-set/backup-set-store.ts';
import { findLooks, type HistoryLook } from './backup-set/history-look-store.ts';
import { findGroup } from './estate/estate-store.ts';
import { judgedAs, type LedgerPoint, shownVerdict } from './recovery-point/recovery-point.ts';
import { findPoints, pageOfPoints, pointCursor } from './recovery-point/recovery-point-store.ts';
import { holdMessage, type SourceHold } from './source-hold/source-hold.ts';
import { findHolds } from './source-hold/source-hold-store.ts';
import type { BackupTables } from './tables.ts';

type Dependencies = Pick<HostDependencies<BackupTables>, 'store' | 'clock'>;

/** A group of inventory's: only its id is known of it here. */
export type GroupRef = { readonly id: GroupId };
export type PointDatabaseRow = PointDatabase & { readonly point: LedgerPoint };

/** One operation's view: who asks, and what was loaded for it already. */
export type BackupContext = OperationContext &
  Dependencies & {
    readonly observeEveryMs: number;
    readonly sets: DataLoader<BackupSetId, LedgerSet | undefined>;
    readonly files: DataLoader<BackupFileId, LedgerFile | undefined>;
    readonly points: DataLoader<RecoveryPointId, LedgerPoint | undefined>;
    readonly looks: DataLoader<GroupId, HistoryLook | undefined>;
    readonly holds: DataLoader<GroupId, SourceHold | undefined>;
  };

export function backupContext(
  operation: OperationContext,
  { store, clock }: Dependencies,
  observeEveryMs: number,
): BackupContext {
  const loader = <Key extends string, Row>(
    find: (ids: readonly Key[]) => Promise<readonly Row[]>,
    keyOf: (row: Row) => Key,
  ) =>
    new DataLoader<Key, Row | undefined>(async ids => {
      const found = new Map((await find(ids)).map(row => [keyOf(row), row]));
      return ids.map(id => found.get(id));
    });
  return {
    ...operation,
    store,
    clock,
    observeEveryMs,
    sets: loader(
      ids => store.read(db => findSets(db, ids)),
      set => set.setId,
    ),
    files: loader(
      ids => store.read(db => findFiles(db, ids)),
      file => file.fileId,
    ),
    points: loader(
      ids => store.read(db => findPoints(db, ids)),
      point => point.recoveryPointId,
    ),
    looks: loader(
      ids => store.read(db => findLooks(db, ids)),
      look => look.groupId,
    ),
    holds: loader(
      ids => store.read(db => findHolds(db, ids)),
      hold => hold.groupId,
    ),
  };
}

export const resolvers: Resolvers = {
  DateTime: scalarResolvers.DateTime,
  Duration: scalarResolvers.Duration,
  Bytes: scalarResolvers.Bytes,
  LSN: scalarResolvers.LSN,
  Query: {
    backupSet: async (_parent, { id }, { caller, sets }) =>
      readable(caller, await sets.load(parsed<BackupSetId>(id, 'id'))),
    recoveryPoint: async (_parent, { id }, { caller, points }) =>
      readable(caller, await points.load(parsed<RecoveryPointId>(id, 'id'))),
    recoveryPoints: (_parent, { groupId, ...args }, context) =>
      pointsOf(parsed<GroupId>(groupId, 'groupId'), args, context),
  },
  BizTalkGroup: {
    __resolveReference: ({ id }, { caller }) => {
      const groupId = parsed<GroupId>(id, 'id');
      return mayRead(caller, groupId) ? { id: groupId } : null;
    },
    backupObservation: async ({ id }, _args, context) =>
      (await isKnown(id, context)) ? observationIn(id, context) : null,
    backupSets: async ({ id }, { type, state, ...args }, context) => {
      if (!(await isKnown(id, context))) return null;
      const page = pageArguments(args);
      const only = { type: type ?? undefined, state: state ?? undefined };
      return connection(await context.store.read(db => pageOfSets(db, id, page, only)), page, undefined, setCursor);
    },
    recoveryPoints: ({ id }, args, context) => pointsOf(id, args, context),
    latestRecoveryPoint: async ({ id }, _args, { store }) => {
      const newest = await store.read(db => pageOfPoints(db, id, { first: 1, after: null }, undefined));
      return newest[0] ?? null;
    },
  },
  BackupSet: {
    __resolveReference: async ({ id }, { caller, sets }) =>
      readable(caller, await sets.load(parsed<BackupSetId>(id, 'id'))),
    id: set => set.setId,
    group: set => ({ id: set.groupId }),
    size: sizeOf,
    observation: (set, _args, context) => observationIn(set.groupId, context),
  },
  BackupFile: {
    __resolveReference: async ({ id }, { caller, files }) =>
      readable(caller, await files.load(parsed<BackupFileId>(id, 'id'))),
    id: file => file.fileId,
    database: file => ({ id: file.databaseId }),
    // Which of several backups it is stands in the header.
    position: file => (file.header === null ? null : file.position),
    backupSetUuid: ({ header }) => header?.backupSetUuid ?? null,
    hasChecksums: ({ header }) => header?.hasChecksums ?? null,
    size: ({ header }) => header?.size ?? null,
    firstLsn: ({ header }) => header?.firstLsn ?? null,
    lastLsn: ({ header }) => header?.lastLsn ?? null,
    checkpointLsn: ({ header }) => header?.checkpointLsn ?? null,
  },
  RecoveryPoint: {
    __resolveReference: async ({ id }, { caller, points }) =>
      readable(caller, await points.load(parsed<RecoveryPointId>(id, 'id'))),
    id: point => point.recoveryPointId,
    group: point => ({ id: point.groupId }),
    set: async (point, _args, { sets }) => required(await sets.load(point.setId)),
    verdict: async (point, _args, context) => (await shownAs(point, point.groupId, context)).verdict,
    reasons: async (point, _args, context) => (await shownAs(point, point.groupId, context)).reasons,
    databases: point => point.databases.map(database => ({ ...database, point })),
    observation: (point, _args, context) => observationIn(point.groupId, context),
  },
  RecoveryPointDatabase: {
    database: ({ databaseId }) => ({ id: databaseId }),
    file: async ({ databaseId, point }, _args, { sets }) =>
      (await sets.load(point.setId))?.files.find(file => file.databaseId === databaseId) ?? null,
    verdict: async (row, _args, context) => (await shownAs(row, row.point.groupId, context)).verdict,
    reasons: async (row, _args, context) => (await shownAs(row, row.point.groupId, context)).reasons,
  },
};

async function pointsOf(
  groupId: GroupId,
  args: {
    readonly first?: number | null | undefined;
    readonly after?: string | null | undefined;
    readonly verdict?: RecoveryVerdict | null | undefined;
  },
  context: BackupContext,
) {
  if (!(await isKnown(groupId, context))) return null;
  const page = pageArguments(args);
  const { freshness } = await observationIn(groupId, context);
  const verdicts = args.verdict == null ? undefined : judgedAs(args.verdict, hasExpired(freshness));
  const rows = await context.store.read(db => pageOfPoints(db, groupId, page, verdicts));
  return connection(rows, page, undefined, pointCursor);
}

async function shownAs(
  judged: Parameters<typeof shownVerdict>[0],
  groupId: GroupId,
  context: BackupContext,
): Promise<ReturnType<typeof shownVerdict>> {
  const { freshness, observedAt } = await observationIn(groupId, context);
  return shownVerdict(judged, { expired: hasExpired(freshness), observedAt });
}

/** Of the group's source: a set is as old as the last look at the history that lists it. */
async function observationIn(
  groupId: GroupId,
  { looks, holds, observeEveryMs, clock }: Pick<BackupContext, 'looks' | 'holds' | 'observeEveryMs' | 'clock'>,
): Promise<Observation> {
  const look = await looks.load(groupId);
  const hold = await holds.load(groupId);
  const error = hold === undefined ? (look?.observationError ?? look?.fileError ?? null) : holdMessage(hold);
  return observationOf({ observedAt: look?.observedAt ?? null, error }, observeEveryMs, clock());
}

function hasExpired(freshness: Observation['freshness']): boolean {
  return freshness === 'EXPIRED' || freshness === 'NEVER';
}

/** A group that inventory has not published, or that is out of the caller's scope, has no ledger rather than an empty one. */
async function isKnown(groupId: GroupId, { caller, store }: BackupContext): Promise<boolean> {
  return mayRead(caller, groupId) && (await store.read(db => findGroup(db, groupId))) !== undefined;
}

function parsed<T extends Id<string>>(text: string, field: string): T {
  return requireId(parseId<T>(text), text, field);
}

function mayRead(caller: Caller, groupId: GroupId): boolean {
  requireRead(caller);
  return allows(caller, 'read', groupId) === undefined;
}

/** What is out of the caller's scope looks like what does not exist. */
function readable<Row extends { readonly groupId: GroupId }>(caller: Caller, row: Row | undefined): Row | null {
  requireRead(caller);
  return row !== undefined && mayRead(caller, row.groupId) ? row : null;
}

function required<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error('A row that another one refers to is not stored.');
  return row;
}
