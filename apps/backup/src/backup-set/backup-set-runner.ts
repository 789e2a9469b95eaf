import type { GroupId, InstanceId, MarkName } from '@holdfast/domain';
import { safeMessage } from '@holdfast/service';
import type { RunnerDefinition, StepContext } from '@holdfast/service/runner';
import { findHold } from '@holdfast/service/source-hold';
import type { HistoryFact } from '@holdfast/sqlserver/management';
import type { FileRequest } from '../backup-file/backup-file.ts';
import { type KnownAddress, type KnownGroup, managementOf, placeOf } from '../estate/estate.ts';
import { findAddresses, findGroup, knownGroupIds } from '../estate/estate-store.ts';
import { findPositions } from '../foreign-backup/foreign-backup-store.ts';
import { accessTo, SourceHeld } from '../source/source-access-store.ts';
import { readHeaders, readHistory, type SeenFile, type SeenHistory } from '../source/source-store.ts';
import { type BackupDependencies, recordFiles, recordHistory } from './backup-set-commands.ts';
import { type FinalSet, isFinal, type LedgerSet, listedSets, numberPrefix } from './backup-set.ts';
import { dueFiles, findLedgerEnd, type LedgerEnd, openSetsFrom } from './backup-set-store.ts';
import { findLook, type HistoryLook, saveLook } from './history-look-store.ts';

type Watched = {
  readonly group: KnownGroup;
  readonly management: { readonly instanceId: InstanceId; readonly database: string };
  readonly addresses: ReadonlyMap<InstanceId, KnownAddress>;
  readonly look: HistoryLook;
  readonly end: LedgerEnd;
  /** The sets that the history is read for again, and how those between them ended; empty when no look is due. */
  readonly open: readonly (LedgerSet | FinalSet)[];
  readonly due: readonly FileRequest[];
  /** The row of msdb up to which each instance has been read. */
  readonly msdbReadUpTo: ReadonlyMap<InstanceId, number>;
};
type Decision =
  { readonly kind: 'LOOK'; readonly watched: Watched } | { readonly kind: 'EXAMINE'; readonly watched: Watched };
type Outcome =
  | { readonly kind: 'LOOK'; readonly seen: SeenHistory }
  | { readonly kind: 'EXAMINE'; readonly seen: readonly SeenFile[] }
  /** An execution claimed the source while we were asking. */
  | { readonly kind: 'HELD' };

/** Enough to be worth a connection, few enough that a new ledger of weeks shows its newest sets within moments. */
const filesPerStep = 64;

/**
 * Keeps the ledger of each group true. Invariant: a set, its files, its judgement and their events change in one transaction, and the history
 * is read from the lowest set about which another look may still teach something. It only reads the estate and remembers nothing outside the
 * store, so after a kill it looks again and finds the same; a look that fails leaves the facts as they were, older, with the reason beside
 * them. What a leader saw before it froze is stored only where nobody has looked since: an old history lacks the newest sets, which would
 * then pass for purged. While an execution holds the source nothing is sent there: what is known ages, with that reason.
 */
export function setRunner(deps: BackupDependencies): RunnerDefinition<GroupId, Watched | undefined, Decision, Outcome> {
  const { store, clock, observeEveryMs } = deps;
  return {
    name: 'set-runner',
    subjects: () => store.read(knownGroupIds),
    key: groupId => groupId,
    observe: groupId => store.read(db => observeGroup(db, groupId, observeEveryMs, clock())),
    decide(watched, now) {
      if (watched === undefined) return undefined;
      // The history first: files whose source does not answer must not keep new sets unseen.
      if (isLookDue(watched.look, observeEveryMs, now)) return { kind: 'LOOK', watched };
      return watched.due.length > 0 ? { kind: 'EXAMINE', watched } : undefined;
    },
    step: ({ kind }) => (kind === 'LOOK' ? 'look' : 'examine'),
    async act(decision, step) {
      try {
        return await ask(decision, step);
      } catch (error) {
        if (error instanceof SourceHeld) return { kind: 'HELD' };
        throw error;
      }
    },
    record: ({ watched: { look } }, outcome) =>
      store.transaction(async tx => {
        const { groupId, lookedAt } = look;
        if (outcome.kind === 'HELD') return;
        if (outcome.kind === 'EXAMINE') await recordFiles(deps, tx, groupId, outcome.seen);
        else if ((await findLook(tx, groupId)).lookedAt === lookedAt)
          await recordHistory(deps, tx, groupId, outcome.seen);
      }),
    failed: (groupId, error) =>
      store.transaction(async tx => {
        const look = await findLook(tx, groupId);
        const now = clock();
        const message = safeMessage(error);
        // An error is news as long as what it kept from being done is still to do: another leader may have done it by now.
        if (isLookDue(look, observeEveryMs, now)) await saveLook(tx, { ...look, observationError: message });
        else if ((await dueFiles(tx, groupId, new Date(now).toISOString(), 1)).length > 0)
          await saveLook(tx, { ...look, fileError: message });
      }),
  };

  async function ask({ kind, watched }: Decision, step: StepContext): Promise<Outcome> {
    const { group, management, addresses, end, due } = watched;
    const access = accessTo(deps, group, addresses, name => step.checkpoint(name));
    if (kind === 'EXAMINE') return { kind, seen: await readHeaders(access, due, step.signal) };
    const seen = await readHistory(access, {
      management,
      fromSetId: end.readFrom?.number ?? '0',
      anchor: end.newest?.number ?? null,
      marksWanted: history => marksWanted(watched, history),
      instances: new Map(
        group.instances.map(({ instanceId }) => {
          const id = instanceId as InstanceId;
          return [id, watched.msdbReadUpTo.get(id) ?? 0];
        }),
      ),
    });
    return { kind, seen };
  }
}

function isLookDue({ lookedAt }: HistoryLook, observeEveryMs: number, now: number): boolean {
  return lookedAt === null || Date.parse(lookedAt) + observeEveryMs <= now;
}

/** Undefined while the source is held, or inventory has not published the way to the group's Management database. */
async function observeGroup(
  db: Parameters<typeof findGroup>[0],
  groupId: GroupId,
  observeEveryMs: number,
  now: number,
): Promise<Watched | undefined> {
  const group = await findGroup(db, groupId);
  const management = group === undefined ? undefined : managementOf(group);
  if (group === undefined || management === undefined) return undefined;
  if ((await findHold(db, groupId)) !== undefined) return undefined;
  const addresses = await findAddresses(
    db,
    group.instances.map(({ instanceId }) => instanceId as InstanceId),
  );
  if (!addresses.has(management.instanceId)) return undefined;
  const look = await findLook(db, groupId);
  const lookIsDue = isLookDue(look, observeEveryMs, now);
  const end = await findLedgerEnd(db, groupId);
  return {
    group,
    management,
    addresses,
    look,
    end,
    open: lookIsDue && end.readFrom !== null ? await openSetsFrom(db, groupId, numberPrefix(end.readFrom.number)) : [],
    msdbReadUpTo: lookIsDue ? await findPositions(db, groupId) : new Map(),
    due: lookIsDue ? [] : await dueFiles(db, groupId, new Date(now).toISOString(), filesPerStep),
  };
}

/** The marks of the listed log sets that are not proven in every database yet, by the instance that must have committed them. */
function marksWanted(
  { group, open }: Watched,
  history: readonly HistoryFact[],
): ReadonlyMap<InstanceId, readonly MarkName[]> {
  const wanted = new Map<InstanceId, MarkName[]>();
  for (const { type, markName, number, startedAtRecorded, rows } of listedSets(history)) {
    if (type !== 'LOG' || markName === null) continue;
    const known = open.find(set => set.number === number && set.startedAtRecorded === startedAtRecorded);
    if (known !== undefined && isFinal(known)) continue;
    const unproven = rows.flatMap((row, rowIndex) => {
      const file = known?.files.find(each => each.rowIndex === rowIndex);
      if (file !== undefined) return file.markLsn === null ? [file.sourceInstanceId] : [];
      return placeOf(group, row)?.instanceId ?? [];
    });
    for (const instanceId of new Set(unproven)) {
      const names = wanted.get(instanceId) ?? [];
      names.push(markName);
      wanted.set(instanceId, names);
    }
  }
  return wanted;
}
