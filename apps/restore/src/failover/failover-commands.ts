import type { ExecutionId, GroupId, InstanceId } from '@holdfast/domain';
import { allows, type Caller, newId } from '@holdfast/service';
import { findEarlierRequest, type IdempotentRequest, rememberRequest } from '@holdfast/service/host';
import type { Reader } from '@holdfast/store';
import { findEstate, findGroup } from '../estate/estate-store.ts';
import type { Estate } from '../estate/estate.ts';
import { announceExecution, type CommandDependencies } from '../execution/execution-commands.ts';
import type { Execution, ExecutionView } from '../execution/execution.ts';
import { findExecution, findRunning, insertExecution } from '../execution/execution-store.ts';
import type { Probe } from '../execution/instance-runner.ts';
import { newSteps, probeSteps } from '../execution/step.ts';
import { loadPreview, nameTarget } from '../preview/preview-commands.ts';
import type { RecoveryPreview } from '../preview/preview.ts';
import type { RestoreTables } from '../tables.ts';
import {
  alreadyRunning,
  checkFailover,
  checkSource,
  checkTarget,
  type FailoverInput,
  type FailoverRefusal,
  type FailoverRequest,
  keyReused,
  notYetKnown,
  parseFailover,
} from './failover.ts';

export type FailoverDependencies = CommandDependencies & {
  /** Asks a source instance whether it lives; read-only. The one question to the outside before there is a record. */
  readonly probe: (instanceId: InstanceId) => Promise<Probe>;
};

/**
 * Records the failover that the runner then carries out. Everything that can refuse it is asked before, because a refusal costs nothing
 * while shipping goes on; the runner asks the same things again.
 */
export async function startFailover(
  input: FailoverInput,
  caller: Caller,
  dependencies: FailoverDependencies,
): Promise<ExecutionView | FailoverRefusal> {
  const admitted = await admit(input, caller, dependencies, answered);
  if (!('estate' in admitted)) return admitted;
  const { request, asked, estate } = admitted;
  return insert(request, asked, estate, dependencies);
}

/** Everything that would be asked before a failover is recorded, and where it would land. The key is neither used up nor looked up. */
export async function tryFailover(
  input: FailoverInput,
  caller: Caller,
  dependencies: FailoverDependencies,
): Promise<RecoveryPreview | FailoverRefusal> {
  const admitted = await admit(input, caller, dependencies, (db, _asked, groupId) => refuseSecond(db, groupId));
  if (!('estate' in admitted)) return admitted;
  const { request, estate } = admitted;
  return dependencies.store.read(db => loadPreview(db, estate, request.target, dependencies.clock()));
}

type Admitted = { readonly request: FailoverRequest; readonly asked: IdempotentRequest; readonly estate: Estate };

/** `settled`: what an earlier request or execution has decided already. */
async function admit<Settled>(
  input: FailoverInput,
  caller: Caller,
  dependencies: FailoverDependencies,
  settled: (db: Reader<RestoreTables>, asked: IdempotentRequest, groupId: GroupId) => Promise<Settled | undefined>,
): Promise<Admitted | Settled | FailoverRefusal> {
  const { store, clock } = dependencies;
  const role = allows(caller, 'recover');
  if (role !== undefined) return { refused: 'NotAllowed', ...role };
  const named = await store.read(db => nameTarget(db, caller, input));
  if ('refused' in named) return named;
  const request = parseFailover(named);
  if ('refused' in request) return request;
  // A group out of the caller's scope looks like one that does not exist.
  if (allows(caller, 'recover', request.groupId) !== undefined) return notYetKnown(request.groupId);

  const asked = { caller, key: request.idempotencyKey, mutation: 'startFailover', input: request };
  const before = await store.read(db => settled(db, asked, request.groupId));
  if (before !== undefined) return before;
  const estate = await store.read(db => estateOf(db, request));
  if (!isEstate(estate)) return estate;
  const refusal =
    checkFailover(request, estate) ??
    checkTarget(request, estate) ??
    (await probeSources(request, estate, dependencies));
  if (refusal === undefined) return { request, asked, estate };
  if (refusal.refused !== 'PreviewOutdated') return refusal;
  return { ...refusal, preview: await store.read(db => loadPreview(db, estate, request.target, clock())) };
}

async function estateOf(db: Reader<RestoreTables>, request: FailoverRequest): Promise<Estate | FailoverRefusal> {
  if ((await findGroup(db, request.groupId)) === undefined) return notYetKnown(request.groupId);
  return (await findEstate(db, request.groupId, request.standbyId)) ?? notYetKnown(request.standbyId);
}

/** What an earlier request has settled: the same one again, its key with other input, or an execution that runs. */
async function answered(
  db: Reader<RestoreTables>,
  asked: IdempotentRequest,
  groupId: GroupId,
): Promise<ExecutionView | FailoverRefusal | undefined> {
  const before = await findEarlierRequest(db, asked);
  if (before === 'other input') return keyReused();
  if (before !== undefined) {
    const execution = await findExecution(db, before.resultId as ExecutionId);
    if (execution === undefined) throw new Error(`Execution ${before.resultId} of a stored request is gone.`);
    return execution;
  }
  return refuseSecond(db, groupId);
}

async function refuseSecond(db: Reader<RestoreTables>, groupId: GroupId): Promise<FailoverRefusal | undefined> {
  const running = await findRunning(db, groupId);
  return running && alreadyRunning(running);
}

async function probeSources(
  { declared }: FailoverRequest,
  { group }: Estate,
  { probe }: FailoverDependencies,
): Promise<FailoverRefusal | undefined> {
  const answers = await Promise.all(
    group.instances.map(async ({ instanceId, name }) => {
      const declaration = declared.find(candidate => candidate.instanceId === instanceId);
      return checkSource(name, declaration, await probe(instanceId as InstanceId));
    }),
  );
  return answers.find(answer => answer !== undefined);
}

async function insert(
  request: FailoverRequest,
  asked: IdempotentRequest,
  { group }: Estate,
  { store, outbox, clock }: FailoverDependencies,
): Promise<ExecutionView | FailoverRefusal> {
  const { mode, groupId, standbyId, target, expectedMark, declared, reason } = request;
  const now = new Date(clock()).toISOString();
  const execution: Execution = {
    executionId: newId(clock) as ExecutionId,
    version: 1,
    state: 'REQUESTED',
    kind: 'FAILOVER',
    mode,
    groupId,
    groupName: group.name,
    standbyId,
    target,
    expectedMark,
    declared,
    sources: [],
    chosen: null,
    dataLoss: null,
    passedPointOfNoReturn: false,
    ending: null,
    leaderToken: 0,
    requestedBy: asked.caller.sub,
    reason,
    startedAt: now,
    finishedAt: null,
  };
  const sources = group.instances.map(({ instanceId, name }) => ({
    instanceId: instanceId as InstanceId,
    instanceName: name,
  }));
  const steps = newSteps(probeSteps(sources), 0, () => newId(clock));
  return store.transaction(async tx => {
    // Again, now that nobody else can write: the probes took seconds, and two callers may have passed the first look.
    const before = await answered(tx, asked, groupId);
    if (before !== undefined) return before;
    await insertExecution(tx, execution, steps);
    await rememberRequest(tx, asked, execution.executionId);
    await announceExecution(tx, outbox, execution);
    return { ...execution, steps };
  });
}

function isEstate(known: Estate | FailoverRefusal): known is Estate {
  return 'group' in known;
}
