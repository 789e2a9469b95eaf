import type { Clock } from '@holdfast/service';
import type { StepContext } from '@holdfast/service/runner';
import { type Exclusive, restoreFull, restoreLog, SqlServerError, statements } from '@holdfast/sqlserver';
import { isLost, type StandbyConnections } from '../estate/connection-runner.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import { isHeld, type Standby } from '../standby/standby.ts';
import type { CommandDependencies } from '../standby/standby-commands.ts';
import { findStandby } from '../standby/standby-store.ts';
import type { RestoreStep } from './assessment.ts';
import { judgeSeeding, type RestoreRow, type SeedingEvidence } from './seeding.ts';
import type { Failed, Restored, Stream } from './stream.ts';
import { beginSeeding } from './stream-commands.ts';
import { listStreams } from './stream-store.ts';

export type RestoreDependencies = CommandDependencies & {
  readonly connections: StandbyConnections;
  readonly fencingToken: number;
};

export type RestoreOutcome =
  /** Something else is true than the step was planned for: look again. */
  { readonly kind: 'OVERTAKEN' } | ({ readonly kind: 'RESTORED' } & Restored) | ({ readonly kind: 'PROBLEM' } & Failed);

type Locked = RestoreDependencies & { readonly exclusive: Exclusive; readonly context: StepContext };

const overtaken: RestoreOutcome = { kind: 'OVERTAKEN' };
/** More rows than anybody writes between sending a full and asking what became of it. */
const historyRows = 20;

/**
 * One RESTORE under the group's lock, beside those of other databases. The look before, the statement and the look after all go through one
 * connection that lives under the lock, and the claim is read again with the lock in hand: whoever answers a claim or leads after us ends that
 * connection first, so that nothing of this step can reach the server afterwards (design.md §5, "The target server is the last arbiter").
 */
export async function restoreNext(
  dependencies: RestoreDependencies,
  step: RestoreStep,
  context: StepContext,
): Promise<RestoreOutcome> {
  const { connections } = dependencies;
  const { groupId, instanceId } = step.stream;
  const before = await ifOurs(dependencies, step.stream);
  if (before === undefined) return overtaken;
  try {
    const outcome = await connections.beside({ groupId, instanceId }, async (exclusive, leave) => {
      // It may have waited long for its place.
      context.signal.throwIfAborted();
      const now = await ifOurs(dependencies, step.stream);
      if (now === undefined) {
        leave();
        return overtaken;
      }
      if (now.mustWait) return overtaken;
      const locked = { ...dependencies, exclusive, context };
      return step.kind === 'RESTORE_FULL'
        ? seed(locked, step, now)
        : rollForward(locked, { ...step, stream: now.stream });
    });
    if (!('refused' in outcome)) return outcome;
    if (outcome.refused === 'Superseded') throw new Error(outcome.message);
    const instance = nameOf(before.standby, step.stream);
    return failed(shippingReason('GROUP_LOCKED', { instance, holder: outcome.message }), step.stream);
  } catch (error) {
    if (isLost(error)) await connections.lost(instanceId);
    else if (error instanceof SqlServerError) return failed(restoreFailed(step, error.message), step.stream);
    throw error;
  }
}

type Ours = {
  readonly standby: Standby;
  readonly stream: Stream;
  /** Another database is stuck: nobody passes a mark that it may not reach. */
  readonly mustWait: boolean;
};

/** The stream as it is stored now; undefined when nothing may be sent for it. */
async function ifOurs({ store }: RestoreDependencies, { id, standbyId }: Stream): Promise<Ours | undefined> {
  return store.read(async db => {
    const standby = await findStandby(db, standbyId);
    const streams = await listStreams(db, [standbyId]);
    const stream = streams.find(one => one.id === id);
    if (standby === undefined || stream === undefined || isHeld(standby)) return undefined;
    return { standby, stream, mustWait: stream.problem === null && streams.some(({ problem }) => problem !== null) };
  });
}

async function rollForward(locked: Locked, step: RestoreStep): Promise<RestoreOutcome> {
  const { exclusive, clock } = locked;
  const { databaseName: database, seedingFileId } = step.stream;
  const before = await look(exclusive, database, clock);
  // Once more, now that nobody else of ours can move it.
  if (seedingFileId !== null || before.there?.state !== 'RESTORING') return overtaken;
  if (before.there.redoStartLsn !== step.from?.lsn) return overtaken;
  await sendAndWait(locked, onPercent => restoreLog(exclusive, { database, source: sourceOf(step) }, onPercent));
  const { there, observedAt } = await look(exclusive, database, clock);
  const lsn = there?.redoStartLsn ?? null;
  if (lsn === null || lsn !== step.reaches) return failed(notArrived(step, lsn), step.stream);
  const position = { lsn, forkGuid: there?.redoStartForkGuid ?? null };
  return { kind: 'RESTORED', setId: step.file.setId, position, observedAt, evidence: null };
}

/** A full, unless the last one ended unseen. REPLACE only over what that one provably left half done; else the server refuses. */
async function seed(locked: Locked, step: RestoreStep, { standby, stream }: Ours): Promise<RestoreOutcome> {
  const { exclusive, clock } = locked;
  const { databaseName: database, seedingEvidence } = stream;
  const before = await look(exclusive, database, clock);
  if (before.there !== null && before.there.state !== 'RESTORING') return overtaken;
  // It stands somewhere and we began nothing: the next plan goes on from there.
  if (stream.seedingFileId === null && before.there?.redoStartLsn != null) return overtaken;
  const history = await restoresInto(exclusive, database);
  const finding = judgeSeeding(seedingEvidence, before.there, history);
  if (finding.kind === 'UNPROVEN') {
    const facts = { database, instance: nameOf(standby, stream), why: finding.why };
    return failed(shippingReason('SEED_NOT_PROVEN', facts), stream);
  }
  if (finding.kind === 'ENDED' && seedingEvidence !== null) {
    const { position } = finding;
    const { observedAt } = before;
    return { kind: 'RESTORED', setId: seedingEvidence.setId, position, observedAt, evidence: seedingEvidence };
  }

  const evidence = evidenceOf(step, history, locked.fencingToken);
  if (!(await beginSeeding(locked, stream, step.file.fileId, evidence))) return overtaken;
  const replace = finding.kind === 'HALF_DONE';
  try {
    await sendAndWait(locked, onPercent =>
      restoreFull(exclusive, { database, source: sourceOf(step), replace }, onPercent),
    );
  } catch (error) {
    if (!(error instanceof SqlServerError) || isLost(error)) throw error;
    const { there } = await look(exclusive, database, clock);
    const reason = restoreFailed(step, error.message);
    return { kind: 'PROBLEM', reason, evidence, nothingLeft: there === null };
  }
  const { there, observedAt } = await look(exclusive, database, clock);
  // Where a full leaves the position is inferred, not documented (sqlserver.md §2.6): what was read counts.
  const lsn = there?.redoStartLsn ?? null;
  if (lsn === null) return { kind: 'PROBLEM', reason: notArrived(step, lsn), evidence, nothingLeft: there === null };
  const position = { lsn, forkGuid: there?.redoStartForkGuid ?? null };
  return { kind: 'RESTORED', setId: step.file.setId, position, observedAt, evidence };
}

/** The place `sent` is passed once the server has begun (its first percent) or answered. Returns when it has answered, whatever happens there. */
async function sendAndWait({ context }: Locked, send: (onPercent: () => void) => Promise<unknown>): Promise<void> {
  await context.checkpoint('sending');
  const begun = Promise.withResolvers<undefined>();
  const answer = send(() => begun.resolve(undefined));
  const settled = Promise.allSettled([answer]);
  await Promise.race([begun.promise, settled]);
  try {
    await context.checkpoint('sent');
  } finally {
    await settled;
  }
  await answer;
  await context.checkpoint('answered');
}

async function look(exclusive: Exclusive, database: string, clock: Clock) {
  const observedAt = new Date(clock()).toISOString();
  const { rows } = await exclusive.run(statements.databaseState, { database });
  return { observedAt, there: rows[0] ?? null };
}

async function restoresInto(exclusive: Exclusive, database: string): Promise<readonly RestoreRow[]> {
  return (await exclusive.run(statements.restoreHistory, { database, rows: historyRows })).rows;
}

function evidenceOf({ file }: RestoreStep, history: readonly RestoreRow[], fencingToken: number): SeedingEvidence {
  const { backupSetUuid, lastForkGuid, lastLsn } = file.header;
  const afterHistoryId = history[0]?.historyId ?? 0;
  return { setId: file.setId, backupSetUuid, lastForkGuid, lastLsn, afterHistoryId, fencingToken };
}

function sourceOf({ file: { path, position, checksum } }: RestoreStep) {
  return { path, position, checksum };
}

function nameOf({ instances }: Standby, { instanceId }: Stream): string {
  return instances.find(one => one.instanceId === instanceId)?.instanceName ?? instanceId;
}

function failed(reason: ShippingReason, { seedingEvidence: evidence }: Stream): RestoreOutcome {
  return { kind: 'PROBLEM', reason, evidence, nothingLeft: false };
}

function notArrived(step: RestoreStep, lsn: string | null): ShippingReason {
  return restoreFailed(
    step,
    `the server reported success, but the position is ${lsn ?? 'unknown'} and not ${step.reaches}`,
  );
}

function restoreFailed({ stream, file }: RestoreStep, error: string): ShippingReason {
  return shippingReason('RESTORE_FAILED', { database: stream.databaseName, path: file.path, error });
}
