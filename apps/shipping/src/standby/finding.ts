import type { InstanceId } from '@holdfast/domain';
import { mapFolder } from '@holdfast/domain/windows-path';
import type { KnownGroup, KnownSet } from '../estate/estate.ts';
import { bytesToSeed, type PlannedInstance } from './creation.ts';
import { shippingReason, type ShippingReason } from './reason.ts';

/** What was seen at an instance that is to become a standby, and in its folders here. */
export type TargetObservation =
  | { readonly reachable: false; readonly cause: string }
  | {
      readonly reachable: true;
      readonly productVersion: string;
      readonly databases: readonly { readonly name: string; readonly state: string }[];
      /** Server option `in-doubt xact resolution`; null when it could not be read. */
      readonly inDoubtResolution: number | null;
      readonly mayCreateDatabases: boolean | null;
      readonly volumes: VolumesSeen;
      /** In the order of the instance's folders. */
      readonly folders: readonly FolderSeen[];
    };
/** Bytes free where databases lie, decimal text; or why nobody knows. */
export type VolumesSeen =
  | { readonly known: true; readonly availableBytes: readonly string[] }
  | { readonly known: false; readonly denied: boolean; readonly cause: string };
export type FolderSeen = {
  /** Why Holdfast cannot read there; null when it can. */
  readonly readError: string | null;
  readonly writeError: string | null;
  /** Whether the instance saw what Holdfast wrote; null when nothing could be written. */
  readonly seenByInstance: boolean | null;
  /** Bytes, decimal text; null when it could not be read. */
  readonly freeBytes: string | null;
};

/** What creating it meets. `Advice` does not stand in its way; of the others the first one refuses it. */
export type Finding = Refusal | { readonly kind: 'Advice'; readonly reason: ShippingReason };
export type Refusal =
  | {
      readonly kind: 'InstanceUnreachable';
      readonly instance: string;
      readonly cause: string;
      readonly reason: ShippingReason;
    }
  | {
      readonly kind: 'OlderSqlServer';
      readonly source: string;
      readonly standby: string;
      readonly reason: ShippingReason;
    }
  | {
      readonly kind: 'DatabaseAlreadyOnline';
      readonly database: string;
      readonly instance: string;
      readonly reason: ShippingReason;
    }
  | { readonly kind: 'InvalidInput'; readonly field: string; readonly reason: ShippingReason };

type Seen = Extract<TargetObservation, { reachable: true }>;

const advice = (reason: ShippingReason): Finding => ({ kind: 'Advice', reason });

export function isRefusal(finding: Finding): finding is Refusal {
  return finding.kind !== 'Advice';
}

export function findingsOf(
  instances: readonly PlannedInstance[],
  group: KnownGroup,
  sets: readonly KnownSet[],
  seen: ReadonlyMap<InstanceId, TargetObservation>,
): readonly Finding[] {
  const each = instances.flatMap((planned, index) => {
    const target = seen.get(planned.instanceId);
    const mapped = mappingFindings(planned, sets);
    if (target?.reachable !== true) return [unreachable(planned, target), ...mapped];
    return [
      ...versionFindings(planned, group, target),
      ...databaseFindings(planned, target),
      ...mapped,
      ...folderFindings(planned, target, `instances.${String(index)}.transfer.folders`),
      ...rightFindings(planned, target),
      ...spaceFindings(planned, target, bytesToSeed([planned], sets)),
    ];
  });
  return [...each, ...inDoubtFindings(instances, seen)];
}

/** What nobody has shown on a real server is said before anybody relies on it (design.md §5 step 5, §6). */
export function evidenceFindings({ restAtMark }: { readonly restAtMark: boolean }): readonly Finding[] {
  return restAtMark ? [advice(shippingReason('REST_AT_MARK_UNSEEN'))] : [];
}

function unreachable({ instanceName: instance }: PlannedInstance, target: TargetObservation | undefined): Finding {
  const cause = target?.reachable === false ? target.cause : 'nobody looked';
  return {
    kind: 'InstanceUnreachable',
    instance,
    cause,
    reason: shippingReason('STANDBY_UNREACHABLE', { instance, cause }),
  };
}

/** A backup restores on the same or a newer version only (3169); from a newer one nothing comes back (biztalk-dr.md §3.2, D1). */
function versionFindings(
  { sourceInstances }: PlannedInstance,
  group: KnownGroup,
  { productVersion: standby }: Seen,
): readonly Finding[] {
  return group.instances
    .filter(({ serverName }) => sourceInstances.includes(serverName))
    .flatMap(({ productVersion: source }): Finding[] => {
      const newer = majorOf(standby) - majorOf(source);
      if (newer < 0) {
        const reason = shippingReason('OLDER_SQL_SERVER', { source, standby });
        return [{ kind: 'OlderSqlServer', source, standby, reason }];
      }
      return newer === 0 ? [] : [advice(shippingReason('NEWER_SQL_SERVER', { source, standby }))];
    });
}

/** One that is RESTORING may be what is left of an earlier standby: it is left alone until somebody has decided about it. */
function databaseFindings(
  { instanceName: instance, databases }: PlannedInstance,
  { databases: there }: Seen,
): readonly Finding[] {
  return databases.flatMap(({ name: database }): Finding[] => {
    const found = there.find(one => one.name.toUpperCase() === database.toUpperCase());
    if (found === undefined) return [];
    if (found.state === 'RESTORING') return [advice(shippingReason('DATABASE_RESTORING', { database, instance }))];
    const reason = shippingReason('DATABASE_ALREADY_ONLINE', { database, instance, state: found.state });
    return [{ kind: 'DatabaseAlreadyOnline', database, instance, reason }];
  });
}

/** One finding for each folder that backup files are known to lie in and no view covers. */
function mappingFindings({ databases, folders }: PlannedInstance, sets: readonly KnownSet[]): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const file of sets.flatMap(set => set.files)) {
    if (!databases.some(({ databaseId }) => databaseId === file.databaseId)) continue;
    if (mapFolder(folders, file).kind === 'MAPPED') continue;
    const folder = file.path.slice(0, Math.max(file.path.lastIndexOf('\\'), file.path.lastIndexOf('/')));
    const reason = shippingReason('FOLDER_NOT_MAPPED', { path: file.path, sourceInstance: file.sourceInstance });
    found.set(`${file.sourceInstance}|${folder}`.toUpperCase(), {
      kind: 'InvalidInput',
      field: 'instances.transfer.folders',
      reason,
    });
  }
  return [...found.values()];
}

function folderFindings(
  { instanceName: instance, folders }: PlannedInstance,
  { folders: seen }: Seen,
  field: string,
): readonly Finding[] {
  return folders.flatMap(({ read, write, standby }, index): Finding[] => {
    const one = seen[index];
    if (one === undefined) return [];
    const place = `${field}.${String(index)}`;
    const refuse = (name: string, reason: ShippingReason): Finding => {
      return { kind: 'InvalidInput', field: `${place}.${name}`, reason };
    };
    const { readError, writeError, seenByInstance } = one;
    return [
      ...(readError === null
        ? []
        : [refuse('read', shippingReason('SHARE_UNREACHABLE', { path: read, error: readError }))]),
      ...(writeError === null
        ? []
        : [refuse('write', shippingReason('COPIES_NOT_WRITABLE', { path: write, error: writeError }))]),
      ...(seenByInstance === false
        ? [refuse('standby', shippingReason('COPIES_NOT_SEEN', { instance, write, standby }))]
        : []),
    ];
  });
}

function rightFindings(
  { instanceName: instance }: PlannedInstance,
  { mayCreateDatabases, volumes }: Seen,
): readonly Finding[] {
  const grants = [
    ...(mayCreateDatabases === true ? [] : ['ALTER SERVER ROLE dbcreator ADD MEMBER [login];']),
    ...(!volumes.known && volumes.denied ? ['GRANT VIEW SERVER STATE TO [login];'] : []),
  ];
  return grants.length === 0 ? [] : [advice(shippingReason('RIGHTS_MISSING', { instance, script: grants.join(' ') }))];
}

/** At least as much as the backups hold: data files may be larger, and those of a backup that was compressed are. */
function spaceFindings(
  { instanceName: instance, folders }: PlannedInstance,
  { volumes, folders: seen }: Seen,
  needed: string,
): readonly Finding[] {
  const found: Finding[] = [];
  if (!volumes.known) found.push(advice(shippingReason('SPACE_UNKNOWN', { instance, cause: volumes.cause })));
  else {
    const available = volumes.availableBytes.reduce((sum, bytes) => sum + BigInt(bytes), 0n);
    if (volumes.availableBytes.length === 0)
      found.push(advice(shippingReason('SPACE_UNKNOWN', { instance, cause: 'no volume is known' })));
    else if (available < BigInt(needed))
      found.push(advice(shippingReason('SPACE_SHORT', { place: instance, needed, available: String(available) })));
  }
  const free = seen.map(({ freeBytes }) => freeBytes).filter(bytes => bytes !== null);
  const [largest] = free.toSorted((a, b) => (BigInt(a) < BigInt(b) ? 1 : -1));
  if (largest !== undefined && BigInt(largest) < BigInt(needed)) {
    const place = folders.map(({ write }) => write).join(', ');
    found.push(advice(shippingReason('SPACE_SHORT', { place, needed, available: largest })));
  }
  return found;
}

/** Transactions that a mark leaves prepared are decided by it at each instance for itself: differently, if it differs (sqlserver.md §3.5). */
function inDoubtFindings(
  instances: readonly PlannedInstance[],
  seen: ReadonlyMap<InstanceId, TargetObservation>,
): readonly Finding[] {
  const values = instances.flatMap(({ instanceId, instanceName }) => {
    const target = seen.get(instanceId);
    return target?.reachable === true ? [{ instanceName, value: target.inDoubtResolution }] : [];
  });
  const text = values.map(({ instanceName, value }) => `${instanceName}: ${String(value ?? 'unknown')}`).join(', ');
  const unset = values.filter(({ value }) => value === null || value === 0);
  if (unset.length > 0) {
    const names = unset.map(({ instanceName }) => instanceName).join(', ');
    return [advice(shippingReason('IN_DOUBT_NOT_SET', { instances: names, values: text }))];
  }
  if (new Set(values.map(({ value }) => value)).size <= 1) return [];
  return [advice(shippingReason('IN_DOUBT_DIFFERS', { values: text }))];
}

function majorOf(productVersion: string): number {
  return Number.parseInt(productVersion, 10);
}
