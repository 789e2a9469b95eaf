import type { GroupId } from '@holdfast/domain';
import { allows, type Caller, newId } from '@holdfast/service';
import {
  findEarlierRequest,
  type HostDependencies,
  type IdempotentRequest,
  rememberRequest,
} from '@holdfast/service/host';
import { findHold, holdMessage } from '@holdfast/service/source-hold';
import type { Reader } from '@holdfast/store';
import { findNewestFullStart } from '../backup-set/backup-set-store.ts';
import { placeLocal } from '../backup-set/recorded-start.ts';
import { type KnownGroup, managementOf } from '../estate/estate.ts';
import { findAddresses, findGroup } from '../estate/estate-store.ts';
import { type JobControl, type JobUnreachable, withJobControl } from '../source/job-control-store.ts';
import { accessTo } from '../source/source-access-store.ts';
import type { BackupTables } from '../tables.ts';
import type { ObservedJob } from './backup-job.ts';
import { findJob, saveJobLook } from './backup-job-store.ts';
import {
  fullAlreadyForced,
  hasRunSince,
  held,
  type JobInput,
  type JobRefusal,
  jobRunning,
  type JobRequest,
  keyReused,
  notConfigured,
  notYetKnown,
  type ParsedJobInput,
  parseJobInput,
} from './job-request.ts';
import { findLastDone, findRequest, insertRequest, saveDone } from './job-request-store.ts';

export type JobDependencies = Pick<HostDependencies<BackupTables>, 'store' | 'clock' | 'env'> & {
  /** What stands between a command and the job. */
  readonly withJobControl: typeof withJobControl;
};

type Db = Reader<BackupTables>;
type Asked = {
  readonly kind: JobRequest['kind'];
  readonly input: ParsedJobInput;
  readonly request: IdempotentRequest;
  /** Stored by an earlier call with this key, which did not come to its end. */
  readonly open: JobRequest | undefined;
};

/** The next run takes a full backup. Setting the flag twice is setting it once, so a call that broke off is simply made again. */
export function forceFullBackup(
  deps: JobDependencies,
  caller: Caller,
  input: JobInput,
): Promise<ObservedJob | JobRefusal> {
  return ask(deps, caller, 'FORCE_FULL', input, async (job, asked) => {
    const { groupId, dryRun } = asked.input;
    if (await job.isFullForced()) {
      // Ours, from a call that died between statement and record; or somebody else's, which is as good.
      if (asked.open !== undefined) return finish(deps, groupId, asked.open.requestId, job);
      return fullAlreadyForced(await deps.store.read(db => forcedSince(db, groupId)));
    }
    if (dryRun) return seen(groupId, job);
    const begun = await begin(deps, asked, null);
    if ('refused' in begun) return begun;
    await job.forceFull();
    return finish(deps, groupId, begun.requestId, job);
  });
}

/**
 * Starts the job. Starting is not safe to repeat: what the job did before is stored with the request first, so that after a broken call the
 * run that it began is recognised by not being that one.
 */
export function runBackupJob(
  deps: JobDependencies,
  caller: Caller,
  input: JobInput,
): Promise<ObservedJob | JobRefusal> {
  return ask(deps, caller, 'RUN', input, async (job, asked) => {
    const { groupId, dryRun } = asked.input;
    const { facts } = await job.observe();
    if (facts?.configuration.configured !== true) return notConfigured(facts);
    if (asked.open !== undefined && hasRunSince(facts, asked.open))
      return finish(deps, groupId, asked.open.requestId, job);
    const { runningSinceRecorded, offsetMinutes, lastRun } = facts;
    if (runningSinceRecorded !== null) return jobRunning(placeLocal(runningSinceRecorded, offsetMinutes, deps.clock()));
    if (dryRun) return seen(groupId, job);
    const begun = await begin(deps, asked, lastRun?.startedAtRecorded ?? null);
    if ('refused' in begun) return begun;
    const started = await job.start(facts.name);
    // Of two calls with one key the other may have started it.
    if (started === 'RUNNING' && begun.isNew) return jobRunning(null);
    return finish(deps, groupId, begun.requestId, job);
  });
}

async function ask(
  deps: JobDependencies,
  caller: Caller,
  kind: JobRequest['kind'],
  raw: JobInput,
  work: (job: JobControl, asked: Asked) => Promise<ObservedJob | JobRefusal>,
): Promise<ObservedJob | JobRefusal> {
  const { store } = deps;
  const role = allows(caller, 'operate');
  if (role !== undefined) return { refused: 'NotAllowed', ...role };
  const input = parseJobInput(raw);
  if ('refused' in input) return input;
  const { groupId } = input;
  // A group out of the caller's scope looks like one that does not exist.
  if (allows(caller, 'operate', groupId) !== undefined) return notYetKnown(groupId);
  const mutation = kind === 'RUN' ? 'runBackupJob' : 'forceFullBackup';
  const request: IdempotentRequest = { caller, key: input.idempotencyKey, mutation, input };
  const known = await store.read(async db => {
    const before = await findBefore(db, request);
    if (before !== undefined && ('refused' in before || before.doneAt !== null)) return before;
    const group = await findGroup(db, groupId);
    const management = group && managementOf(group);
    if (group === undefined || management === undefined) return notYetKnown(groupId);
    const hold = await findHold(db, groupId);
    if (hold !== undefined) return held(holdMessage(hold));
    const addresses = await findAddresses(db, [management.instanceId]);
    return { group, management, addresses, open: before };
  });
  if ('refused' in known) return known;
  if ('requestId' in known) return store.read(db => findJob(db, groupId));
  const { group, management, addresses, open } = known;
  const access = accessTo(deps, group, addresses, async () => undefined);
  const asked = { kind, input, request, open };
  const answered = await deps.withJobControl(access, management, job => work(job, asked));
  return 'answer' in answered ? answered.answer : refusalOf(answered, group, management.instanceId);
}

/** What an earlier call with this key stored. */
async function findBefore(db: Db, request: IdempotentRequest): Promise<JobRequest | JobRefusal | undefined> {
  const before = await findEarlierRequest(db, request);
  if (before === undefined) return undefined;
  if (before === 'other input') return keyReused();
  const stored = await findRequest(db, before.resultId);
  if (stored === undefined) throw new Error(`Request ${before.resultId} of a stored key is gone.`);
  return stored;
}

/** Stores what is about to be sent. No statement runs within this transaction, and none is sent before it. */
async function begin(
  { store, clock }: JobDependencies,
  { kind, input, request, open }: Asked,
  lastRunBefore: string | null,
): Promise<{ readonly requestId: string; readonly isNew: boolean } | JobRefusal> {
  if (open !== undefined) return { requestId: open.requestId, isNew: false };
  return store.transaction(async tx => {
    const before = await findBefore(tx, request);
    if (before !== undefined) return 'refused' in before ? before : { requestId: before.requestId, isNew: false };
    const hold = await findHold(tx, input.groupId);
    if (hold !== undefined) return held(holdMessage(hold));
    const stored: JobRequest = {
      requestId: newId(clock),
      groupId: input.groupId,
      kind,
      requestedBy: request.caller.sub,
      reason: input.reason,
      requestedAt: new Date(clock()).toISOString(),
      lastRunBefore,
      doneAt: null,
    };
    await insertRequest(tx, stored);
    await rememberRequest(tx, request, stored.requestId);
    return { requestId: stored.requestId, isNew: true };
  });
}

/** The effect was seen: the request is done, and the job is as it was seen with it. */
async function finish(
  { store, clock }: JobDependencies,
  groupId: GroupId,
  requestId: string,
  job: JobControl,
): Promise<ObservedJob> {
  const look = await job.observe();
  return store.transaction(async tx => {
    await saveDone(tx, requestId, new Date(clock()).toISOString());
    return saveJobLook(tx, await findJob(tx, groupId), { ...look, problem: null });
  });
}

async function seen(groupId: GroupId, job: JobControl): Promise<ObservedJob> {
  return { groupId, error: null, ...(await job.observe()) };
}

/** When a full that has not been taken was asked for here; null: somebody else asked, or nobody can tell. */
async function forcedSince(db: Db, groupId: GroupId): Promise<string | null> {
  const request = await findLastDone(db, groupId, 'FORCE_FULL');
  if (request === undefined) return null;
  const takenAt = await findNewestFullStart(db, groupId);
  return takenAt !== null && takenAt > request.requestedAt ? null : request.requestedAt;
}

function refusalOf(problem: JobUnreachable, group: KnownGroup, instanceId: string): JobRefusal {
  const { cause } = problem;
  const instance = group.instances.find(each => each.instanceId === instanceId)?.serverName ?? instanceId;
  switch (problem.kind) {
    case 'HELD':
      return held(cause);
    case 'UNKNOWN':
      return notYetKnown(group.groupId);
    case 'NOT_PERMITTED':
      return { refused: 'NotAllowed', rule: 'sql-permission', message: `${instance}: ${cause}`, fix: problem.hint };
    case 'UNREACHABLE':
      return {
        refused: 'InstanceUnreachable',
        instance,
        cause,
        message: `${instance}, which has the Management database, could not be asked.`,
        fix: problem.hint,
      };
  }
}
