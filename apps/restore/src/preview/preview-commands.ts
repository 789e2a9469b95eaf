import { type GroupId, parseId, type RecoveryPointId, type StandbyId } from '@holdfast/domain';
import type { TargetRequest } from '@holdfast/domain/target';
import { allows, type Caller } from '@holdfast/service';
import type { Reader, Store } from '@holdfast/store';
import { findEstate, findGroup } from '../estate/estate-store.ts';
import type { Estate } from '../estate/estate.ts';
import { findRunning } from '../execution/execution-store.ts';
import { commandTexts } from '../execution/instance-runner.ts';
import {
  checkStandby,
  checkTarget,
  type FailoverInput,
  type FailoverRefusal,
  invalid,
  notYetKnown,
  parseTarget,
} from '../failover/failover.ts';
import type { RestoreTables } from '../tables.ts';
import { listTimedRestores } from '../execution/speed-store.ts';
import { findMarkName, listUnaddressed } from './preview-store.ts';
import { blockersOf, type Loss, previewOf, type RecoveryPreview, without } from './preview.ts';

/** As the API gives it, not looked at yet. */
export type PreviewInput = Pick<FailoverInput, 'groupId' | 'standbyId' | 'target'> & {
  readonly lost?: readonly Loss[] | null | undefined;
};

export type PreviewDependencies = { readonly store: Store<RestoreTables>; readonly clock: () => number };

/** Where a recovery would land now. Nothing is asked of any server and nothing is recorded. */
export async function recoveryPreview(
  input: PreviewInput,
  caller: Caller,
  { store, clock }: PreviewDependencies,
): Promise<RecoveryPreview | FailoverRefusal> {
  const role = allows(caller, 'read');
  if (role !== undefined) return { refused: 'NotAllowed', ...role };
  const groupId = parseId<GroupId>(input.groupId);
  const standbyId = parseId<StandbyId>(input.standbyId);
  if (groupId === undefined) return notAnId('groupId');
  if (standbyId === undefined) return notAnId('standbyId');
  // A group out of the caller's scope looks like one that does not exist.
  if (allows(caller, 'read', groupId) !== undefined) return notYetKnown(groupId);
  return store.read(async db => {
    const named = await nameTarget(db, caller, input);
    if ('refused' in named) return named;
    const target = parseTarget(named.target);
    if ('refused' in target) return target;
    if ((await findGroup(db, groupId)) === undefined) return notYetKnown(groupId);
    const known = await findEstate(db, groupId, standbyId);
    if (known === undefined) return notYetKnown(standbyId);
    const estate = without(known, input.lost ?? []);
    const refusal = checkStandby({ groupId, standbyId }, estate) ?? checkTarget({ target, expectedMark: null }, estate);
    if (refusal === undefined) return loadPreview(db, estate, target, clock());
    if (refusal.refused === 'PreviewOutdated') throw new Error('No mark was expected, so none can be outdated.');
    return refusal;
  });
}

/** @throws Error when the target cannot be reached: ask `checkTarget` before. */
export async function loadPreview(
  db: Reader<RestoreTables>,
  estate: Estate,
  target: TargetRequest,
  now: number,
): Promise<RecoveryPreview> {
  const { group, standby } = estate;
  const running = await findRunning(db, group.groupId as GroupId);
  const blockers = blockersOf({
    groupName: group.name,
    runningSince: running?.startedAt ?? null,
    yieldedTo: standby.yieldedTo,
    unaddressed: await listUnaddressed(db, standby),
  });
  const timed = await listTimedRestores(db, group.groupId as GroupId);
  const facts = { now: new Date(now).toISOString(), texts: commandTexts, timed, blockers };
  const preview = previewOf(estate, target, facts);
  if (preview === undefined) throw new Error('A preview was asked for of a target that cannot be reached.');
  return preview;
}

/** The request with the mark's name where it gave the id of a recovery point of the group. */
export async function nameTarget<Input extends Pick<FailoverInput, 'groupId' | 'target'>>(
  db: Reader<RestoreTables>,
  caller: Caller,
  input: Input,
): Promise<Input | FailoverRefusal> {
  const { recoveryPointId } = input.target;
  if (typeof recoveryPointId !== 'string') return input;
  if (allows(caller, 'read', input.groupId) !== undefined) return notYetKnown(input.groupId);
  const id = parseId<RecoveryPointId>(recoveryPointId);
  if (id === undefined) return notAnId('target.recoveryPointId');
  const mark = await findMarkName(db, id, input.groupId);
  return mark === undefined ? notYetKnown(id) : { ...input, target: { mark } };
}

function notAnId(field: string): FailoverRefusal {
  return invalid(field, 'This is not an id.', 'Use an id as an earlier answer gave it: a UUID.');
}
