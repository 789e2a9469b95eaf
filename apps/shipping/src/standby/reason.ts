import type { Reason } from '@holdfast/domain';

/** Why a standby or stream is not as it should be: the shape of the domain's reasons, with codes of this service beside them. */
export type ShippingReason = Omit<Reason, 'code'> & { readonly code: string };

type Text = { readonly message: string; readonly fix: string; readonly evidence?: string };

/** A backup file: its database, the number of its set, the path at the source. */
type Place = { readonly database: string; readonly set: string; readonly path: string };

const texts = {
  STANDBY_UNREACHABLE: ({ instance, cause }: { instance: string; cause: string }): Text => ({
    message: `The standby instance ${instance} could not be asked where its databases stand.`,
    fix: 'Check that the instance runs, its address and its login.',
    evidence: cause,
  }),
  STANDBY_NOT_ADDRESSED: ({ instance }: { instance: string }): Text => ({
    message: `No address of the standby instance ${instance} has arrived here.`,
    fix: 'Register the instance; if it is registered, wait a moment.',
  }),
  DATABASE_ALREADY_ONLINE: ({
    database,
    instance,
    state,
  }: {
    database: string;
    instance: string;
    state: string;
  }): Text => ({
    message: `${database} exists at ${instance} and is not being restored.`,
    fix: 'Look whose database it is; rename or drop it there, because the standby needs the name.',
    evidence: `state ${state}`,
  }),
  WAITING_FOR_BASE: ({ database }: { database: string }): Text => ({
    message: `${database} waits for a full backup with a later log set, both whole at the standby.`,
    fix: 'Wait for the copies; if no full backup exists, force one at the source.',
  }),
  RESTORE_FAILED: ({ database, path, error }: { database: string; path: string; error: string }): Text => ({
    message: `A restore of ${database} failed; the other databases wait, so that none passes a mark that this one cannot reach.`,
    fix: 'Read the error; the same step is tried again by itself.',
    evidence: `${path}: ${error}`,
  }),
  BACKUP_DAMAGED: ({ database, set, path, error }: Place & { error: string }): Text => ({
    message: `The backup file of ${database} in set ${set} is damaged: the standby holds what the source holds, and it cannot be restored.`,
    fix: 'Reseed the database (reseedStandby) from a later full; if there is none, force a full at the source and wait for it and one log set.',
    evidence: `${path}: ${error}`,
  }),
  COPY_DAMAGED: ({ database, set, path, error }: Place & { error: string }): Text => ({
    message: `The copy of ${database} in set ${set} is not what was written any more.`,
    fix: "Look at the disk under the standby's copies; the file is copied again by itself.",
    evidence: `${path}: ${error}`,
  }),
  RESEED: ({ databases }: { databases: string }): Text => ({
    message: `A reseed of ${databases} from the newest valid full leads past the damaged file.`,
    fix: 'Call reseedStandby with dryRun. If it answers NoValidFull, force a full at the source, wait for it and one log set, then ask again.',
    evidence: `databases: ${databases}`,
  }),
  RESEEDING: ({ database, set }: { database: string; set: string }): Text => ({
    message: `${database} is begun again from the full in set ${set}.`,
    fix: 'Wait; the logs since that full follow by themselves.',
  }),
  RESEED_NOT_PROVEN: ({ database, instance, why }: { database: string; instance: string; why: string }): Text => ({
    message: `What stands under the name ${database} at ${instance} is not what the reseed was asked for: nothing is replaced.`,
    fix: 'Look whose it is; then ask for the reseed again.',
    evidence: why,
  }),
  RESEED_GOES_BACK: ({ now, after }: { now: string; after: string }): Text => ({
    message: `The newest mark that all databases can reach would be ${after} instead of ${now}.`,
    fix: 'Wait for a later full and one log set, if the loss is not worth it.',
  }),
  PAUSED: ({ by, why, until }: { by: string; why: string; until: string | null }): Text => ({
    message: `Paused by ${by}: ${why}`,
    fix: until === null ? 'Call resumeStandby.' : `Call resumeStandby, or wait until ${until}.`,
  }),
  SESSIONS_NOT_ENDED: ({ instance, cause }: { instance: string; cause: string }): Text => ({
    message: `${instance} could not be asked whether an earlier process of Holdfast is still connected to it.`,
    fix: 'Before you rely on the pause, end sessions there whose program is holdfast-shipping: one that was frozen may still send a RESTORE.',
    evidence: cause,
  }),
  STANDBY_DISK_FULL: ({ database, set, path, error }: Place & { error: string }): Text => ({
    message: `There is no room at the standby instance to restore ${database} from set ${set}; the other databases wait.`,
    fix: 'Make room on the volumes of its data and log files; the same step is tried again by itself.',
    evidence: `${path}: ${error}`,
  }),
  SEED_NOT_PROVEN: ({ database, instance, why }: { database: string; instance: string; why: string }): Text => ({
    message: `${database} is in the middle of a restore at ${instance}, and nothing proves that Holdfast began it: it is left alone.`,
    fix: 'Look whose it is. Once nobody needs it, drop it there; then it is seeded from its full backup.',
    evidence: why,
  }),
  GROUP_LOCKED: ({ instance, holder }: { instance: string; holder: string }): Text => ({
    message: `Somebody else works on this group's databases at ${instance}.`,
    fix: 'Wait until it has ended; end a session that should not be there.',
    evidence: holder,
  }),
  FOLDER_NOT_MAPPED: ({ path, sourceInstance }: { path: string; sourceInstance: string }): Text => ({
    message: `No folder of the transfer lies above a backup file of ${sourceInstance}.`,
    fix: 'Create the standby with a folder whose `source` is above this path.',
    evidence: path,
  }),
  COPY_FAILED: ({ database, path, error }: { database: string; path: string; error: string }): Text => ({
    message: `A backup file of ${database} could not be copied to the standby.`,
    fix: 'Check the shares, their rights and the free space; it is tried again by itself.',
    evidence: `${path}: ${error}`,
  }),
  SOURCE_FILE_MISSING: ({ database, set, path, error }: Place & { error: string }): Text => ({
    message: `The backup file of ${database} in set ${set} is not at its source.`,
    fix: 'Look whether it was moved or deleted, and whether the share is the right one; it is tried again by itself.',
    evidence: `${path}: ${error}`,
  }),
  SOURCE_FILE_DAMAGED: ({ database, set, path, error }: Place & { error: string }): Text => ({
    message: `The backup file of ${database} in set ${set} is cut or damaged at its source: its copy is no whole backup.`,
    fix: 'Compare the file with its backup history; force a full if it cannot be mended. It is copied again by itself.',
    evidence: `${path}: ${error}`,
  }),
  DESTINATION_FULL: ({ database, set, path, error }: Place & { error: string }): Text => ({
    message: `There is no room for the backup file of ${database} in set ${set} where Holdfast writes the copies.`,
    fix: 'Make room there, or raise the limit; the copy goes on where it stopped.',
    evidence: `${path}: ${error}`,
  }),
  OTHER_BACKUP_IN_FILE: ({ database, path, error }: { database: string; path: string; error: string }): Text => ({
    message: `The copy of ${database} does not hold, at the standby, the backup that its source reported.`,
    fix: 'Look whether the folders are mapped rightly and nothing else writes there; it is copied again by itself.',
    evidence: `${path}: ${error}`,
  }),
  LAGGING: ({ database, sets }: { database: string; sets: number }): Text => ({
    message: `${database} is ${String(sets)} log sets behind.`,
    fix: 'Wait; if it does not shrink, look at the reasons of the copies.',
  }),
  NO_COMMON_MARK: ({ ahead, behind }: { ahead: string; behind: string }): Text => ({
    message: 'No mark can be reached by all databases any more.',
    fix: 'Wait for the next log set; if that does not help, reseed the databases ahead (reseedStandby).',
    evidence: `ahead: ${ahead || 'none'}; behind: ${behind || 'none'}`,
  }),
  NEXT_LOG_SET: (): Text => ({
    message:
      'The next log set brings a mark that lies ahead of all databases: then they can be brought together again.',
    fix: 'See that the backup job runs. If the source is gone, those ahead must be seeded again (reseedStandby).',
  }),
  OLDER_SQL_SERVER: ({ source, standby }: { source: string; standby: string }): Text => ({
    message: `The standby runs SQL Server ${standby}, the source ${source}: a backup restores on the same or a newer version only.`,
    fix: 'Choose an instance of the same or a newer version.',
  }),
  NEWER_SQL_SERVER: ({ source, standby }: { source: string; standby: string }): Text => ({
    message: `The standby runs SQL Server ${standby}, the source ${source}: what was recovered there can never be restored at the source.`,
    fix: 'Bring both to the same version before a failover; without it there is no way back.',
  }),
  DATABASE_RESTORING: ({ database, instance }: { database: string; instance: string }): Text => ({
    message: `${database} exists at ${instance} and is RESTORING: nothing proves that it is of this group.`,
    fix: 'If it is what an earlier standby left, it is gone on with where its log fits; else drop it there.',
  }),
  SHARE_UNREACHABLE: ({ path, error }: { path: string; error: string }): Text => ({
    message: `Holdfast cannot read the folder of backup files ${path}.`,
    fix: 'Check that the share is there and that the account of Holdfast may read it.',
    evidence: error,
  }),
  COPIES_NOT_WRITABLE: ({ path, error }: { path: string; error: string }): Text => ({
    message: `Holdfast cannot write into the folder for copies ${path}.`,
    fix: 'Check that the folder is there and that the account of Holdfast may change it.',
    evidence: error,
  }),
  COPIES_NOT_SEEN: ({ instance, write, standby }: { instance: string; write: string; standby: string }): Text => ({
    message: `${instance} does not see under ${standby} what Holdfast writes into ${write}.`,
    fix: 'Give both views of the same folder, and let the service account of the instance read it.',
  }),
  RIGHTS_MISSING: ({ instance, script }: { instance: string; script: string }): Text => ({
    message: `The login of Holdfast lacks rights at ${instance} that restoring needs.`,
    fix: `Run there, with the name of the login: ${script}`,
    evidence: script,
  }),
  SPACE_SHORT: ({ place, needed, available }: { place: string; needed: string; available: string }): Text => ({
    message: `There is less room at ${place} than the backups hold.`,
    fix: 'Make room before the standby is created; data files may need more than their backups hold.',
    evidence: `needed ${needed} bytes, free ${available} bytes`,
  }),
  SPACE_UNKNOWN: ({ instance, cause }: { instance: string; cause: string }): Text => ({
    message: `Nobody knows how much room there is at ${instance}.`,
    fix: "Look at the volumes that the source's data files would lie on.",
    evidence: cause,
  }),
  IN_DOUBT_NOT_SET: ({ instances, values }: { instances: string; values: string }): Text => ({
    message: `"in-doubt xact resolution" is not set at ${instances}: a recovery that finds a prepared distributed transaction leaves its database SUSPECT.`,
    fix: "Set the same value at all standby instances: EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'in-doubt xact resolution', 2; RECONFIGURE; (1 presumes commit, 2 abort.)",
    evidence: values,
  }),
  IN_DOUBT_DIFFERS: ({ values }: { values: string }): Text => ({
    message:
      '"in-doubt xact resolution" is not the same at all standby instances: a distributed transaction would end differently.',
    fix: "Set the same value everywhere: EXEC sp_configure 'in-doubt xact resolution', 2; RECONFIGURE; (1 presumes commit, 2 abort.)",
    evidence: values,
  }),
  MARK_NOT_FOUND: ({ database, set, mark, path, seen }: Place & { mark: string; seen: string }): Text => ({
    message: `${database} was to stop at ${mark} in set ${set} and was rolled past it.`,
    fix: "Compare the mark with the source's msdb.dbo.logmarkhistory. The next log set brings one that lies ahead of all databases; if the source is gone, reseed this one (reseedStandby).",
    evidence: `${path}: ${seen}`,
  }),
  // The evidence level is that of design.md §5 step 5 and sqlserver.md §3.6 rule 2.
  REST_AT_MARK_UNSEEN: (): Text => ({
    message:
      'Resting at a mark and applying the same log again is documented by parts: nobody has shown both together on a real server.',
    fix: 'Try it with a group that nobody needs, or leave restAtMark out: then the newest log is held back.',
    evidence: 'documented by parts',
  }),
  NO_DRILL_YET: (): Text => ({
    message: 'No drill has proven a mark of this group.',
    fix: 'Drills are not part of this version: nothing here proves that a recovery works.',
  }),
  NOTHING_TAKEN: (): Text => ({
    message: 'No mark of this group has been judged restorable at the source.',
    fix: 'Look at the backup sets and their reasons.',
  }),
  NOTHING_SHIPPED: (): Text => ({
    message: 'No standby holds every file that any mark needs.',
    fix: 'Create a standby, or look at the reasons of its streams.',
  }),
  NOTHING_RESTORABLE: (): Text => ({
    message: 'No standby can reach any mark now.',
    fix: 'Look at the state and reasons of the standbys.',
  }),
} satisfies Record<string, (facts: never) => Text>;

type Code = keyof typeof texts;

/** Not dated yet. */
export function shippingReason<C extends Code>(code: C, ...facts: Parameters<(typeof texts)[C]>): ShippingReason {
  const write = texts[code] as (...given: Parameters<(typeof texts)[C]>) => Text;
  const { message, fix, evidence = null } = write(...facts);
  return { code, message, fix, evidence, since: null };
}

/** One that was there before keeps its `since`, a new one gets `now`. */
export function dated(
  reasons: readonly ShippingReason[],
  before: readonly ShippingReason[],
  now: string,
): readonly ShippingReason[] {
  return reasons.map(fresh => ({ ...fresh, since: before.find(old => sameReason(old, fresh))?.since ?? now }));
}

export function sameReasons(a: readonly ShippingReason[], b: readonly ShippingReason[]): boolean {
  return a.length === b.length && a.every((one, index) => sameReason(one, b[index]));
}

function sameReason(a: ShippingReason, b: ShippingReason | undefined): boolean {
  return a.code === b?.code && a.message === b.message && a.evidence === b.evidence;
}
