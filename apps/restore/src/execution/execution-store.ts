import type { DatabaseId, ExecutionId, GroupId, StandbyId } from '@holdfast/domain';
import type { MarkName } from '@holdfast/domain/mark';
import type { TargetRequest } from '@holdfast/domain/target';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import { currentOrNewTrace } from '@holdfast/service/tracing';
import type { Reader, Transactor } from '@holdfast/store';
import type { RestoreTables } from '../tables.ts';
import type {
  ChosenMark,
  DataLoss,
  Declaration,
  Ending,
  Execution,
  ExecutionState,
  ExecutionView,
  SourceRecord,
} from './execution.ts';
import type { Step, StepId, StepReason, StepState, Work } from './step.ts';

type ExecutionTable = {
  id: string;
  version: number;
  state: string;
  kind: string;
  mode: string;
  group_id: string;
  group_name: string;
  standby_id: string;
  target: string;
  expected_mark: string | null;
  declared: string;
  sources: string;
  chosen: string | null;
  data_loss: string | null;
  passed_point_of_no_return: number;
  ending: string | null;
  leader_token: number;
  traceparent: string | null;
  requested_by: string;
  reason: string;
  started_at: string;
  finished_at: string | null;
};
type StepTable = {
  id: string;
  execution_id: string;
  position: number;
  work: string;
  name: string;
  state: string;
  actor: string;
  place: string;
  why: string;
  command: string;
  expected: string;
  undo: string | null;
  database_id: string | null;
  database_name: string | null;
  started_at: string | null;
  finished_at: string | null;
  attempts: number;
  progress_percent: number | null;
  reasons: string;
};
export type ExecutionTables = {
  execution: ExecutionTable;
  step: StepTable;
};

/** Ids are in the order of their creation (UUIDv7), so newest first is by id. */
export const executionCursor = ({ executionId }: Execution): CursorKey => [executionId];

export async function findExecution(
  db: Reader<RestoreTables>,
  executionId: ExecutionId,
): Promise<ExecutionView | undefined> {
  const row = await db.selectFrom('execution').selectAll().where('id', '=', executionId).executeTakeFirst();
  return row === undefined ? undefined : withSteps(db, row);
}

/** The one that has not ended. */
export async function findRunning(db: Reader<RestoreTables>, groupId: GroupId): Promise<ExecutionView | undefined> {
  const row = await db
    .selectFrom('execution')
    .selectAll()
    .where('group_id', '=', groupId)
    .where('finished_at', 'is', null)
    .executeTakeFirst();
  return row === undefined ? undefined : withSteps(db, row);
}

/** The traceparent of the request that started it. */
export async function findTrace(db: Reader<RestoreTables>, executionId: ExecutionId): Promise<string | undefined> {
  const row = await db.selectFrom('execution').select('traceparent').where('id', '=', executionId).executeTakeFirst();
  return row?.traceparent ?? undefined;
}

export async function listRunning(db: Reader<RestoreTables>): Promise<ExecutionId[]> {
  const rows = await db.selectFrom('execution').select('id').where('finished_at', 'is', null).orderBy('id').execute();
  return rows.map(({ id }) => id as ExecutionId);
}

/** The newest of each group whose databases were recovered. */
export async function listRecovered(db: Reader<RestoreTables>): Promise<ExecutionId[]> {
  const rows = await db
    .selectFrom('execution')
    .select(({ fn }) => fn.max('id').as('id'))
    .where('state', 'in', ['REFERENCING', 'COMPLETED'])
    .groupBy('group_id')
    .execute();
  return rows.map(({ id }) => id as ExecutionId);
}

export type ExecutionFilter = {
  /** Only of these groups; left out: of all. */
  readonly groupIds?: readonly GroupId[];
  readonly state?: ExecutionState;
};

/** Newest first, one row more than the page: it tells that there is a next one. */
export async function listExecutions(
  db: Reader<RestoreTables>,
  page: Page,
  { groupIds, state }: ExecutionFilter,
): Promise<ExecutionView[]> {
  let query = db.selectFrom('execution').selectAll().orderBy('id', 'desc');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('id', '<', after);
  if (groupIds !== undefined) query = query.where('group_id', 'in', groupIds);
  if (state !== undefined) query = query.where('state', '=', state);
  const rows = await db.dialect.page(query, page.first + 1).execute();
  const executions: ExecutionView[] = [];
  for (const row of rows) executions.push(await withSteps(db, row));
  return executions;
}

/** It goes on in the trace of what is under way here. */
export async function insertExecution(
  tx: Transactor<RestoreTables>,
  execution: Execution,
  steps: readonly Step[],
): Promise<void> {
  await tx
    .insertInto('execution')
    .values({ ...toRow(execution), traceparent: currentOrNewTrace() })
    .execute();
  await insertSteps(tx, execution.executionId, steps);
}

/** @throws Error when somebody else changed it since it was read in this transaction: a store that serialises them does not allow that. */
export async function updateExecution(
  tx: Transactor<RestoreTables>,
  execution: Execution,
  readVersion: number,
): Promise<void> {
  const { id, ...changes } = toRow(execution);
  const { numUpdatedRows } = await tx
    .updateTable('execution')
    .set(changes)
    .where('id', '=', id)
    .where('version', '=', readVersion)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n) throw new Error(`Execution ${id} is not at version ${readVersion} any more.`);
}

export async function insertSteps(
  tx: Transactor<RestoreTables>,
  executionId: ExecutionId,
  steps: readonly Step[],
): Promise<void> {
  for (const step of steps) await tx.insertInto('step').values(toStepRow(step, executionId)).execute();
}

export async function updateStep(tx: Transactor<RestoreTables>, step: Step): Promise<void> {
  await tx
    .updateTable('step')
    .set({
      work: JSON.stringify(step.work),
      state: step.state,
      actor: step.actor,
      started_at: step.startedAt,
      finished_at: step.finishedAt,
      attempts: step.attempts,
      progress_percent: step.progressPercent,
      reasons: JSON.stringify(step.reasons),
    })
    .where('id', '=', step.stepId)
    .execute();
}

/** Progress raises no version: nobody is told, who looks sees it. Of an attempt that is over nothing is saved. */
export async function saveProgress(
  tx: Transactor<RestoreTables>,
  { stepId, attempt, percent }: { readonly stepId: StepId; readonly attempt: number; readonly percent: number },
): Promise<void> {
  await tx
    .updateTable('step')
    .set({ progress_percent: percent })
    .where('id', '=', stepId)
    .where('state', '=', 'RUNNING')
    .where('attempts', '=', attempt)
    .execute();
}

async function withSteps(db: Reader<RestoreTables>, row: ExecutionTable): Promise<ExecutionView> {
  const steps = await db
    .selectFrom('step')
    .selectAll()
    .where('execution_id', '=', row.id)
    .orderBy('position')
    .execute();
  return { ...toExecution(row), steps: steps.map(toStep) };
}

function toExecution(row: ExecutionTable): Execution {
  return {
    executionId: row.id as ExecutionId,
    version: row.version,
    state: row.state as ExecutionState,
    kind: row.kind as Execution['kind'],
    mode: row.mode as Execution['mode'],
    groupId: row.group_id as GroupId,
    groupName: row.group_name,
    standbyId: row.standby_id as StandbyId,
    target: JSON.parse(row.target) as TargetRequest,
    expectedMark: row.expected_mark as MarkName | null,
    declared: JSON.parse(row.declared) as Declaration[],
    sources: JSON.parse(row.sources) as SourceRecord[],
    chosen: row.chosen === null ? null : (JSON.parse(row.chosen) as ChosenMark),
    dataLoss: row.data_loss === null ? null : (JSON.parse(row.data_loss) as DataLoss),
    passedPointOfNoReturn: row.passed_point_of_no_return === 1,
    ending: row.ending === null ? null : (JSON.parse(row.ending) as Ending),
    leaderToken: row.leader_token,
    requestedBy: row.requested_by,
    reason: row.reason,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

function toRow(execution: Execution): Omit<ExecutionTable, 'traceparent'> {
  return {
    id: execution.executionId,
    version: execution.version,
    state: execution.state,
    kind: execution.kind,
    mode: execution.mode,
    group_id: execution.groupId,
    group_name: execution.groupName,
    standby_id: execution.standbyId,
    target: JSON.stringify(execution.target),
    expected_mark: execution.expectedMark,
    declared: JSON.stringify(execution.declared),
    sources: JSON.stringify(execution.sources),
    chosen: execution.chosen === null ? null : JSON.stringify(execution.chosen),
    data_loss: execution.dataLoss === null ? null : JSON.stringify(execution.dataLoss),
    passed_point_of_no_return: execution.passedPointOfNoReturn ? 1 : 0,
    ending: execution.ending === null ? null : JSON.stringify(execution.ending),
    leader_token: execution.leaderToken,
    requested_by: execution.requestedBy,
    reason: execution.reason,
    started_at: execution.startedAt,
    finished_at: execution.finishedAt,
  };
}

function toStep(row: StepTable): Step {
  return {
    stepId: row.id as StepId,
    position: row.position,
    work: JSON.parse(row.work) as Work,
    name: row.name,
    state: row.state as StepState,
    actor: row.actor,
    where: row.place,
    why: row.why,
    command: row.command,
    expected: row.expected,
    undo: row.undo,
    databaseId: row.database_id as DatabaseId | null,
    databaseName: row.database_name,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    attempts: row.attempts,
    progressPercent: row.progress_percent,
    reasons: JSON.parse(row.reasons) as StepReason[],
  };
}

function toStepRow(step: Step, executionId: ExecutionId): StepTable {
  return {
    id: step.stepId,
    execution_id: executionId,
    position: step.position,
    work: JSON.stringify(step.work),
    name: step.name,
    state: step.state,
    actor: step.actor,
    place: step.where,
    why: step.why,
    command: step.command,
    expected: step.expected,
    undo: step.undo,
    database_id: step.databaseId,
    database_name: step.databaseName,
    started_at: step.startedAt,
    finished_at: step.finishedAt,
    attempts: step.attempts,
    progress_percent: step.progressPercent,
    reasons: JSON.stringify(step.reasons),
  };
}
