import { type ExecutionId, type GroupId, parseId, type StandbyId } from '@holdfast/domain';
import { liveFeed } from '@holdfast/messaging';
import { allows, type Caller } from '@holdfast/service';
import {
  apiError,
  connection,
  observationOf,
  type OperationContext,
  pageArguments,
  requireId,
  requireRead,
  scalarResolvers,
} from '@holdfast/service/graphql';
import type { Resolvers, ResolversParentTypes } from '../generated/resolver-types.ts';
import { type ExecutionView, verifiedAt } from './execution/execution.ts';
import { holdsOwnersTexts, isManual, updateFileOf } from './execution/step.ts';
import type { OperatorRefusal } from './execution/operator.ts';
import { cancelExecution, confirmStep, skipStep } from './execution/operator-commands.ts';
import { executionCursor, findExecution, findRunning, listExecutions } from './execution/execution-store.ts';
import { type FailoverDependencies, startFailover, tryFailover } from './failover/failover-commands.ts';
import type { FailoverRefusal } from './failover/failover.ts';
import { recoveryPreview } from './preview/preview-commands.ts';
import type { RecoveryPreview } from './preview/preview.ts';
import { loadReadinessFacts } from './readiness/readiness-store.ts';
import { readinessOf } from './readiness/readiness.ts';
import { findUpdateFile } from './reference/reference-store.ts';

/** One operation's view: who asks, and what commands need. */
export type RestoreContext = OperationContext & FailoverDependencies & { readonly markEveryMs: number };

/** Another service's entity, which we add to. */
export type GroupReference = { readonly id: string };

export const resolvers: Resolvers = {
  DateTime: scalarResolvers.DateTime,
  Duration: scalarResolvers.Duration,
  Bytes: scalarResolvers.Bytes,
  LSN: scalarResolvers.LSN,
  Query: {
    recoveryPreview: async (_parent, { input }, context) =>
      previewAnswer(await recoveryPreview(input, context.caller, context)),
    execution: (_parent, { id }, context) => loadExecution(executionId(id), context),
    executions: async (_parent, { groupId, state, ...paging }, { caller, store }) => {
      requireRead(caller);
      const page = pageArguments(paging);
      // Who is not allowed everywhere sees their groups' executions and no count of the others.
      const scope = caller.groups.includes('*')
        ? undefined
        : caller.groups.flatMap(text => parseId<GroupId>(text) ?? []);
      const asked = groupId == null ? undefined : idOf<GroupId>(groupId, 'groupId');
      const groupIds = asked === undefined ? scope : [asked].filter(id => scope?.includes(id) ?? true);
      const filter = { ...(groupIds === undefined ? {} : { groupIds }), ...(state == null ? {} : { state }) };
      const rows = await store.read(db => listExecutions(db, page, filter));
      return connection(rows, page, undefined, executionCursor);
    },
  },
  Mutation: {
    startFailover: async (_parent, { input: { dryRun, ...input } }, context) => {
      if (dryRun) return previewAnswer(await tryFailover(input, context.caller, context));
      const result = await startFailover(input, context.caller, context);
      if (!('refused' in result)) return Object.assign({ __typename: 'Execution' as const }, result);
      const { refused, ...refusal } = result;
      return { __typename: refused, ...refusal } as ResolversParentTypes['StartFailoverResult'];
    },
    confirmStep: async (_parent, { input }, context) =>
      operatorAnswer(await confirmStep(input, context.caller, context)) as ResolversParentTypes['StepResult'],
    skipStep: async (_parent, { input }, context) =>
      operatorAnswer(await skipStep(input, context.caller, context)) as ResolversParentTypes['StepResult'],
    cancelExecution: async (_parent, { input }, context) =>
      operatorAnswer(
        await cancelExecution(input, context.caller, context),
      ) as ResolversParentTypes['CancelExecutionResult'],
  },
  Subscription: {
    execution: {
      subscribe: async (_parent, { id, afterVersion }, context) => {
        const wanted = executionId(id);
        if ((await loadExecution(wanted, context)) === null)
          throw apiError('NOT_FOUND', 'There is no such execution.', { fix: 'Use an id that startFailover gave.' });
        const load = async (db: Parameters<typeof findExecution>[0]) => {
          const state = await findExecution(db, wanted);
          return state && { version: state.version, state };
        };
        return liveFeed(context.store, load, { afterVersion: afterVersion ?? undefined, signal: context.signal });
      },
      resolve: (execution: ExecutionView) => execution,
    },
  },
  BizTalkGroup: {
    __resolveReference: ({ id }) => ({ id }),
    executions: async ({ id }, { kind: _onlyKind, ...paging }, { caller, store }) => {
      const page = pageArguments(paging);
      const groupId = readableGroup(caller, id);
      const rows =
        groupId === undefined ? [] : await store.read(db => listExecutions(db, page, { groupIds: [groupId] }));
      return connection(rows, page, undefined, executionCursor);
    },
    currentExecution: async ({ id }, _args, { caller, store }) => {
      const groupId = readableGroup(caller, id);
      return groupId === undefined ? null : ((await store.read(db => findRunning(db, groupId))) ?? null);
    },
    updateInfo: async ({ id }, { standbyId }, { caller, store }) => {
      const groupId = readableGroup(caller, id);
      const standby = idOf<StandbyId>(standbyId, 'standbyId');
      return groupId === undefined ? null : store.read(db => findUpdateFile(db, groupId, standby));
    },
    readiness: async ({ id }, _args, { caller, store, clock, markEveryMs }) => {
      const groupId = readableGroup(caller, id);
      if (groupId === undefined) return null;
      return readinessOf({ ...(await store.read(db => loadReadinessFacts(db, groupId))), now: clock(), markEveryMs });
    },
  },
  Execution: {
    __resolveReference: ({ id }, context) => loadExecution(executionId(id), context),
    id: ({ executionId: id }) => id,
    group: ({ groupId }) => ({ id: groupId }),
    standby: ({ standbyId }) => ({ id: standbyId }),
    target: ({ chosen }) => chosen && { id: chosen.recoveryPointId },
    markName: ({ chosen }) => chosen?.markName ?? null,
    markedAt: ({ chosen }) => chosen?.markedAt ?? null,
    runningSteps: ({ steps }) => steps.filter(({ state }) => state === 'RUNNING'),
    actualRecoveryTime: execution => {
      const verified = verifiedAt(execution);
      return verified === null ? null : seconds(Date.parse(verified) - Date.parse(execution.startedAt));
    },
    updateInfo: ({ steps }) => updateFileOf(steps),
  },
  SourceRecord: { instance: ({ instanceId }) => ({ id: instanceId }) },
  DataLoss: {
    atLeast: ({ atLeastSeconds }) => duration(atLeastSeconds),
    atMost: ({ atMostSeconds }) => (atMostSeconds === null ? null : duration(atMostSeconds)),
  },
  Readiness: {
    observation: ({ observedAt }, _args, { clock, markEveryMs }) =>
      observationOf({ observedAt, error: null }, markEveryMs, clock()),
  },
  RecoveryPreview: {
    target: ({ recoveryPointId }) => ({ id: recoveryPointId }),
    duration: ({ durationSeconds }) => (durationSeconds === null ? null : duration(durationSeconds)),
  },
  DatabasePreview: {
    database: ({ databaseId }) => ({ id: databaseId }),
    bytes: ({ bytes }) => bytes.toString(),
  },
  ReseedPreview: {
    duration: ({ durationSeconds }) => (durationSeconds === null ? null : duration(durationSeconds)),
    bytes: ({ bytes }) => bytes.toString(),
  },
  Step: {
    id: ({ stepId }) => stepId,
    kind: ({ work }) => (isManual(work) ? 'MANUAL' : 'AUTOMATIC'),
    command: ({ work, command }, _args, { caller }) =>
      holdsOwnersTexts(work) && allows(caller, 'recover') !== undefined
        ? 'Holds the texts of the jobs of the source: shown to those who may recover.'
        : command,
    database: ({ databaseId }) => databaseId && { id: databaseId },
  },
  Node: { __resolveType: node => ('stepId' in node ? 'Step' : 'Execution') },
};

/** Both unions that a preview belongs to name their members alike. */
function previewAnswer(result: RecoveryPreview | FailoverRefusal) {
  if (!('refused' in result)) return Object.assign({ __typename: 'RecoveryPreview' as const }, result);
  const { refused, ...refusal } = result;
  return { __typename: refused, ...refusal } as Extract<
    ResolversParentTypes['StartFailoverResult'],
    ResolversParentTypes['RecoveryPreviewResult']
  >;
}

function operatorAnswer(result: ExecutionView | OperatorRefusal) {
  if (!('refused' in result)) return Object.assign({ __typename: 'Execution' as const }, result);
  const { refused, ...refusal } = result;
  return { __typename: refused, ...refusal };
}

/** The scalar renders seconds as ISO 8601. */
const duration = (value: number): string => value as unknown as string;
const seconds = (milliseconds: number): string => duration(Math.max(0, milliseconds) / 1000);

async function loadExecution(id: ExecutionId, { caller, store }: RestoreContext): Promise<ExecutionView | null> {
  requireRead(caller);
  const execution = await store.read(db => findExecution(db, id));
  // One out of the caller's scope looks like one that does not exist.
  return execution !== undefined && allows(caller, 'read', execution.groupId) === undefined ? execution : null;
}

function executionId(text: string): ExecutionId {
  return idOf<ExecutionId>(text, 'id');
}

function idOf<T extends ExecutionId | GroupId | StandbyId>(text: string, field: string): T {
  return requireId(parseId<T>(text), text, field);
}

function readableGroup(caller: Caller, id: string): GroupId | undefined {
  requireRead(caller);
  const groupId = idOf<GroupId>(id, 'id');
  return allows(caller, 'read', groupId) === undefined ? groupId : undefined;
}
