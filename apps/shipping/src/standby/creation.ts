import type { GroupId, InstanceId } from '@holdfast/domain';
import { isWindowsPath } from '@holdfast/domain/windows-path';
import {
  inOrderTaken,
  type KnownGroup,
  type KnownInstance,
  type KnownSet,
  protectedDatabases,
  type SourceDatabase,
} from '../estate/estate.ts';
import type { StandbyInstance, TransferFolder } from './standby.ts';

export type StandbyRequest = {
  readonly groupId: GroupId;
  readonly site: string;
  readonly mode: 'MANAGED' | 'NATIVE';
  readonly restAtMark: boolean;
  readonly instances: readonly {
    readonly instanceId: InstanceId;
    readonly sourceInstances: readonly string[];
    readonly kind: 'COPY' | 'DIRECT';
    readonly folders: readonly (Omit<TransferFolder, 'write'> & { readonly write: string | null })[];
  }[];
};

export type CreationRefusal =
  | { readonly kind: 'InvalidInput'; readonly message: string; readonly fix: string; readonly field: string }
  | { readonly kind: 'NotYetKnown'; readonly message: string; readonly fix: string; readonly id: string }
  | { readonly kind: 'ModeNotAvailable'; readonly message: string; readonly fix: string; readonly mode: 'NATIVE' };

export type PlannedInstance = Omit<StandbyInstance, 'standbyId' | 'observedAt' | 'error'> & {
  readonly databases: readonly SourceDatabase[];
};

const invalid = (field: string, message: string, fix: string): CreationRefusal => {
  return { kind: 'InvalidInput', field, message, fix };
};

/** The instances with the databases that will go there, or why the request cannot be meant so. Nothing was asked of any server. */
export function planStandby(
  request: StandbyRequest,
  group: KnownGroup | undefined,
  known: readonly KnownInstance[],
): { readonly instances: readonly PlannedInstance[] } | CreationRefusal {
  const wait = 'Check the id; if it was registered just now, try again in a moment.';
  if (request.mode === 'NATIVE')
    return {
      kind: 'ModeNotAvailable',
      mode: 'NATIVE',
      message: "A standby restored by BizTalk's own destination jobs cannot be driven yet.",
      fix: 'Use mode MANAGED.',
    };
  if (group === undefined)
    return { kind: 'NotYetKnown', id: request.groupId, message: 'This group is not known here.', fix: wait };
  if (request.site.trim() === '')
    return invalid('site', 'site is empty.', 'Name the place where the standby is, as people call it.');
  if (request.instances.length === 0)
    return invalid(
      'instances',
      'No standby instance is named.',
      'Name at least one with the source instances it stands for.',
    );

  const ids = request.instances.map(({ instanceId }) => instanceId);
  if (new Set(ids).size < ids.length)
    return invalid(
      'instances',
      'One standby instance is named twice.',
      'Name it once, with all of its source instances.',
    );

  const planned: PlannedInstance[] = [];
  for (const [index, wanted] of request.instances.entries()) {
    const field = `instances.${String(index)}`;
    const instance = known.find(({ instanceId }) => instanceId === wanted.instanceId);
    if (instance === undefined)
      return { kind: 'NotYetKnown', id: wanted.instanceId, message: 'This SQL instance is not known here.', fix: wait };
    const plan = planInstance(wanted, instance, group, field);
    if ('kind' in plan) return plan;
    planned.push(plan);
  }
  return completeness(planned, group) ?? { instances: planned };
}

function planInstance(
  wanted: StandbyRequest['instances'][number],
  { instanceId, serverName }: KnownInstance,
  group: KnownGroup,
  field: string,
): PlannedInstance | CreationRefusal {
  if (wanted.kind === 'DIRECT')
    return invalid(
      `${field}.transfer.kind`,
      'A standby that reads the share itself (DIRECT) is not built yet.',
      'Use COPY with a folder that the standby instance can read.',
    );
  if (protectedDatabases(group).some(database => database.instanceId === instanceId))
    return invalid(
      `${field}.instanceId`,
      `${serverName} is a source of this group.`,
      'Choose another instance: a standby must survive the loss of its source.',
    );
  const sources: { id: string; serverName: string }[] = [];
  for (const name of wanted.sourceInstances) {
    const source = sourceNamed(group, name);
    if (source === undefined)
      return invalid(
        `${field}.sourceInstances`,
        `${name} is not an instance of ${group.name}.`,
        `Use one of: ${group.instances.map(one => one.serverName).join(', ')}.`,
      );
    sources.push({ id: source.instanceId, serverName: source.serverName });
  }
  const folders: TransferFolder[] = [];
  for (const [index, folder] of wanted.folders.entries()) {
    const place = `${field}.transfer.folders.${String(index)}`;
    const source = sourceNamed(group, folder.sourceInstance);
    if (source === undefined)
      return invalid(
        `${place}.sourceInstance`,
        `${folder.sourceInstance} is not an instance of ${group.name}.`,
        `Use one of: ${group.instances.map(one => one.serverName).join(', ')}.`,
      );
    const path = pathProblem(place, folder);
    if (path !== undefined) return path;
    if (folder.write === null || folder.write === '')
      return invalid(`${place}.write`, 'COPY needs the folder that Holdfast writes to.', 'Give `write`.');
    if (folder.read === folder.write)
      return invalid(`${place}.write`, '`read` and `write` are the same folder.', 'A copy lies somewhere else.');
    folders.push({ ...folder, write: folder.write, sourceInstance: source.serverName });
  }
  const databases = protectedDatabases(group).filter(database => sources.some(({ id }) => id === database.instanceId));
  return {
    instanceId,
    instanceName: serverName,
    sourceInstances: sources.map(one => one.serverName),
    folders,
    databases,
  };
}

/**
 * Every view of a folder is absolute and says itself where it is: a relative one would depend on a process, and `..` could lead out of what
 * was meant. Drives and shares of Windows, or paths of Linux.
 */
function pathProblem(
  place: string,
  { source, read, write, standby }: StandbyRequest['instances'][number]['folders'][number],
): CreationRefusal | undefined {
  for (const [name, path] of Object.entries({ source, read, write: write ?? '', standby })) {
    if (name === 'write' && path === '') continue;
    const field = `${place}.${name}`;
    if (!isWindowsPath(path) && !path.startsWith('/'))
      return invalid(
        field,
        `"${path}" is not an absolute path.`,
        'Give the whole path, from the drive, share or root.',
      );
    if (path.split(/[\\/]/).some(segment => /^\.\.?[. ]*$/.test(segment)))
      return invalid(field, `"${path}" has a step up or in place.`, 'Give the path without `.` and `..`.');
  }
  return undefined;
}

/** A standby that lacks a database of the group can never be recovered to a common mark. */
function completeness(planned: readonly PlannedInstance[], group: KnownGroup): CreationRefusal | undefined {
  const all = protectedDatabases(group);
  if (all.length === 0)
    return {
      kind: 'NotYetKnown',
      id: group.groupId,
      message: `No database of ${group.name} is known to be in its backup job.`,
      fix: 'Look at the databases of the group; if it was registered just now, try again in a moment.',
    };
  for (const database of all) {
    const takers = planned.filter(({ databases }) => databases.some(one => one.databaseId === database.databaseId));
    const source =
      group.instances.find(({ instanceId }) => instanceId === database.instanceId)?.serverName ?? 'its instance';
    if (takers.length === 0)
      return invalid(
        'instances',
        `${database.name} of ${source} goes nowhere.`,
        `Add ${source} to \`sourceInstances\` of an instance.`,
      );
    if (takers.length > 1)
      return invalid(
        'instances',
        `${source} is given to ${String(takers.length)} standby instances.`,
        'Give it to one.',
      );
  }
  for (const { instanceName, databases } of planned) {
    const names = databases.map(({ name }) => name.toUpperCase());
    const double = databases.find(({ name }, index) => names.indexOf(name.toUpperCase()) !== index);
    if (double !== undefined)
      return invalid(
        'instances',
        `Two source instances have a database ${double.name}; both would go to ${instanceName}.`,
        'Give the two source instances to different standby instances.',
      );
  }
  return undefined;
}

function sourceNamed(group: KnownGroup, name: string): KnownGroup['instances'][number] | undefined {
  const wanted = name.toUpperCase();
  return group.instances.find(one => one.serverName.toUpperCase() === wanted || one.name.toUpperCase() === wanted);
}

/** Bytes, decimal text: the newest full of every database and the logs since, by their headers. */
export function bytesToSeed(instances: readonly PlannedInstance[], sets: readonly KnownSet[]): string {
  const inOrder = inOrderTaken(sets);
  let bytes = 0n;
  for (const { databaseId } of instances.flatMap(({ databases }) => databases)) {
    const files = inOrder.flatMap(set =>
      set.files.filter(file => file.databaseId === databaseId).map(file => ({ set, file })),
    );
    const base = files.findLastIndex(({ set, file }) => set.type === 'FULL' && file.header !== null);
    if (base < 0) continue;
    for (const { file } of files.slice(base)) bytes += BigInt(file.header?.size ?? '0');
  }
  return String(bytes);
}
