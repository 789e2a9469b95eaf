import {
  type BackupFileId,
  type BackupSetId,
  type GroupId,
  type Id,
  parseId,
  type RecoveryPointId,
} from '@holdfast/domain';
import type { RecoveryVerdict } from '@holdfast/domain/recovery-point';
import { liveFeed } from '@holdfast/messaging';
import { allows, type Caller } from '@holdfast/service';
import {
  apiError,
  connection,
  type Observation,
  observationOf,
  pageArguments,
  requireId,
  requireRead,
  scalarResolvers,
} from '@holdfast/service/graphql';
import { holdMessage } from '@holdfast/service/source-hold';
import type { Resolvers } from '../generated/resolver-types.ts';
import { sizeOf } from './backup-set/backup-set.ts';
import { pageOfSets, setCursor } from './backup-set/backup-set-store.ts';
import { type BackupContext, forget } from './context.ts';
import { findGroup } from './estate/estate-store.ts';
import { foreignCursor, pageOfForeign } from './foreign-backup/foreign-backup-store.ts';
import { jobResolvers } from './job-resolvers.ts';
import { judgedAs, shownVerdict } from './recovery-point/recovery-point.ts';
import { type ChangedPoint, nextChanged, pageOfPoints, pointCursor } from './recovery-point/recovery-point-store.ts';

export const resolvers: Resolvers = {
  ...jobResolvers,
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
  Subscription: {
    recoveryPoints: {
      subscribe: async (_parent, { groupId, after }, context) => {
        const id = parsed<GroupId>(groupId, 'groupId');
        if (!(await isKnown(id, context)))
          throw apiError('NOT_FOUND', `There is no group ${groupId} that you may see.`, { fix: 'Check the id.' });
        return pointFeed(context, id, placeAfter(after ?? null));
      },
      resolve: (changed: ChangedPoint, _args: unknown, context: BackupContext) => {
        // One operation for all its events: what was loaded for the one before is old.
        forget(context);
        return changed;
      },
    },
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
    backupJob: async ({ id }, _args, context) =>
      (await isKnown(id, context))
        ? ((await context.jobs.load(id)) ?? { groupId: id, observedAt: null, error: null, facts: null })
        : null,
    foreignBackups: async ({ id }, args, context) => {
      if (!(await isKnown(id, context))) return null;
      const page = pageArguments(args);
      return connection(await context.store.read(db => pageOfForeign(db, id, page)), page, undefined, foreignCursor);
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
  RecoveryPointUpdate: {
    cursor: ({ changed }) => String(changed),
    recoveryPoint: ({ point }) => point,
  },
  RecoveryPointDatabase: {
    database: ({ databaseId }) => ({ id: databaseId }),
    file: async ({ databaseId, point }, _args, { sets }) =>
      (await sets.load(point.setId))?.files.find(file => file.databaseId === databaseId) ?? null,
    base: async ({ databaseId, point }, _args, { chains }) => (await chains.load(point))?.get(databaseId)?.[0] ?? null,
    chain: async ({ databaseId, point }, _args, { chains }) =>
      (await chains.load(point))?.get(databaseId)?.slice(1) ?? [],
    verdict: async (row, _args, context) => (await shownAs(row, row.point.groupId, context)).verdict,
    reasons: async (row, _args, context) => (await shownAs(row, row.point.groupId, context)).reasons,
  },
};

/** Every point in the order in which it became different, then what comes; a subscriber that is busy finds the last state of each. */
function pointFeed({ store, signal }: BackupContext, groupId: GroupId, after: number) {
  let at = after;
  return liveFeed(
    store,
    async db => {
      const next = await nextChanged(db, groupId, at);
      if (next === undefined) return undefined;
      at = next.changed;
      return { version: next.changed, state: next };
    },
    { afterVersion: after, signal },
  );
}

function placeAfter(cursor: string | null): number {
  if (cursor === null) return 0;
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw apiError('BAD_USER_INPUT', `"${cursor}" is not a cursor.`, {
    fix: 'Use the last cursor that this subscription gave, or leave it out.',
    field: 'after',
  });
}

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
