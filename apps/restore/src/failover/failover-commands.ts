import type { ExecutionId, GroupId, InstanceId } from '@holdfast/domain';
import { allows, type Caller, newId } from '@holdfast/service';
import { findEarlierRequest, type IdempotentRequest, rememberRequest } from '@holdfast/service/host';
import type { Reader } from '@holdfast/store';
import { findEstate, findGroup } from '../estate/estate-store.ts';
import type { Estate } from '../estate/estate.ts';
import { announceExecution, type CommandDependencies } from '../execution/execution-commands.ts';
import type { Execution, ExecutionView } from '../execution/execution.ts';
import { findExecution, findRunning, insertExecution } from '../execution/execution-store.ts';
import { newSteps, openingSteps } from '../execution/step.ts';
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
  readonly probe: (
    instanceId: InstanceId,
  ) => Promise<{ readonly answer: 'ANSWERS' | 'SILENT' | 'UNKNOWN'; readonly evidence: string }>;
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
  const { store } = dependencies;
  const role = allows(caller, 'recover');
  if (role !== undefined) return { refused: 'NotAllowed', ...role };
  const request = parseFailover(input);
  if ('refused' in request) return request;
  // A group out of the caller's scope looks like one that does not exist.
  if (allows(caller, 'recover', request.groupId) !== undefined) return notYetKnown(request.groupId);

  const asked = { caller, key: request.idempotencyKey, mutation: 'startFailover', input: request };
  const known = await store.read(
    async db => (await answered(db, asked, request.groupId)) ?? (await estateOf(db, request)),
  );
  if (!isEstate(known)) return known;
  const refusal =
    checkFailover(request, known) ?? checkTarget(request, known) ?? (await probeSources(request, known, dependencies));
  if (refusal !== undefined) return refusal;
  return insert(request, asked, known, dependencies);
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
  { group, standby }: Estate,
  { store, outbox, clock }: FailoverDependencies,
): Promise<ExecutionView | FailoverRefusal> {
  const { groupId, standbyId, target, expectedMark, declared, reason } = request;
  const now = new Date(clock()).toISOString();
  const execution: Execution = {
    executionId: newId(clock) as ExecutionId,
    version: 1,
    state: 'REQUESTED',
    kind: 'FAILOVER',
    mode: 'UNPLANNED',
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
  const standbyInstances = standby.instances.map(({ instanceName }) => instanceName);
  const steps = newSteps(openingSteps({ sources, standbyInstances }), 0, () => newId(clock));
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

function isEstate(known: Estate | ExecutionView | FailoverRefusal): known is Estate {
  return 'group' in known;
}
