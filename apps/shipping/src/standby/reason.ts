import type { Reason } from '@holdfast/domain';

/** Why a standby or stream is not as it should be: the shape of the domain's reasons, with codes of this service beside them. */
export type ShippingReason = Omit<Reason, 'code'> & { readonly code: string };

type Text = { readonly message: string; readonly fix: string; readonly evidence?: string };

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
    fix: 'Wait for the next log set; if that does not help, the databases ahead must be seeded again.',
    evidence: `ahead: ${ahead || 'none'}; behind: ${behind || 'none'}`,
  }),
  NEXT_LOG_SET: (): Text => ({
    message:
      'The next log set brings a mark that lies ahead of all databases: then they can be brought together again.',
    fix: 'See that the backup job runs. If the source is gone, those ahead must be seeded again, which is not part of this version.',
  }),
  OLDER_SQL_SERVER: ({ source, standby }: { source: string; standby: string }): Text => ({
    message: `The standby runs SQL Server ${standby}, the source ${source}: a backup restores on the same or a newer version only.`,
    fix: 'Choose an instance of the same or a newer version.',
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
