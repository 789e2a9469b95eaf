import type { MarkName } from '@holdfast/domain';
import type { Position } from '@holdfast/domain/chain';
import { compareLsn } from '@holdfast/domain/lsn';
import type { Clock } from '@holdfast/service';
import type { StepContext } from '@holdfast/service/runner';
import {
  type Exclusive,
  restoreFull,
  restoreLog,
  restoreLogToMark,
  SqlServerError,
  statements,
} from '@holdfast/sqlserver';
import { saysDamagedFile, saysFullDisk } from '@holdfast/sqlserver/conditions';
import { findCopy } from '../copy/copy-store.ts';
import { hashOf } from '../copy/transfer-runner.ts';
import { isLost, type StandbyConnections } from '../estate/connection-runner.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import { rests, type Standby } from '../standby/standby.ts';
import type { CommandDependencies } from '../standby/standby-commands.ts';
import { findStandby } from '../standby/standby-store.ts';
import type { RestoreStep } from './assessment.ts';
import { isAskedFor, judgeSeeding, type RestoreRow, type SeedingEvidence, type SeedingFinding } from './seeding.ts';
import type { Damage, Failed, Restored, Stream } from './stream.ts';
import { beginSeeding } from './stream-commands.ts';
import { listStreams } from './stream-store.ts';

export type RestoreDependencies = CommandDependencies & {
  readonly connections: StandbyConnections;
  readonly fencingToken: number;
};

export type RestoreOutcome =
  /** Something else is true than the step was planned for: look again. */
  { readonly kind: 'OVERTAKEN' } | ({ readonly kind: 'RESTORED' } & Restored) | ({ readonly kind: 'PROBLEM' } & Failed);

/** The server says that it read a damaged file; whose damage it is remains to be found out. */
type Suspected = {
  readonly kind: 'SUSPECTED';
  readonly error: string;
  readonly evidence: SeedingEvidence | null;
  readonly nothingLeft: boolean;
};
type Sent = RestoreOutcome | Suspected;

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
  yielding: AbortSignal,
): Promise<RestoreOutcome> {
  const stop = AbortSignal.any([context.signal, yielding]);
  try {
    const damaged = await findDamaged(dependencies, step, stop);
    if (damaged !== undefined) return damaged;
    const outcome = await send(dependencies, step, context);
    return outcome.kind === 'SUSPECTED' ? await diagnose(dependencies, step, outcome, stop) : outcome;
  } catch (error) {
    // Cut short for a claim or a pause, while files were read: nothing of it was sent.
    if (yielding.aborted && !context.signal.aborted) return overtaken;
    throw error;
  }
}

async function send(dependencies: RestoreDependencies, step: RestoreStep, context: StepContext): Promise<Sent> {
  const { connections } = dependencies;
  const { groupId, instanceId } = step.stream;
  const before = await ifOurs(dependencies, step.stream);
  if (before === undefined) return overtaken;
  try {
    const outcome = await connections.beside<Sent>({ groupId, instanceId }, async (exclusive, leave) => {
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
    else if (error instanceof SqlServerError) {
      const { seedingEvidence: evidence } = step.stream;
      return saysDamagedFile(error)
        ? { kind: 'SUSPECTED', error: error.message, evidence, nothingLeft: false }
        : failed(serverSaid(step, error), step.stream);
    }
    throw error;
  }
}

/**
 * What a reseed needs is read whole before anything is replaced (design.md §5, step 7): a copy that changed since it was written ends it
 * while the old database is still there.
 */
async function findDamaged(
  dependencies: RestoreDependencies,
  step: RestoreStep,
  signal: AbortSignal,
): Promise<RestoreOutcome | undefined> {
  for (const file of step.verifyFirst) {
    const read = await readCopy(dependencies, step, file, signal);
    if (read.same) continue;
    const { databaseName: database, seedingEvidence: evidence } = step.stream;
    const facts = { database, set: file.setNumber, path: file.path, error: 'read before anything is replaced' };
    const damage: Damage = { kind: 'COPY', fileId: file.fileId, sha256: read.sha256 };
    return { kind: 'PROBLEM', reason: shippingReason('COPY_DAMAGED', facts), evidence, nothingLeft: false, damage };
  }
  return undefined;
}

/** The server found the file damaged: the copy has changed since it was written, or its source is damaged already. */
async function diagnose(
  dependencies: RestoreDependencies,
  step: RestoreStep,
  { error, evidence, nothingLeft }: Suspected,
  signal: AbortSignal,
): Promise<RestoreOutcome> {
  const { file } = step;
  const { same, sha256 } = await readCopy(dependencies, step, file, signal);
  const facts = { database: step.stream.databaseName, set: file.setNumber, path: file.path, error };
  const reason = same ? shippingReason('BACKUP_DAMAGED', facts) : shippingReason('COPY_DAMAGED', facts);
  const damage: Damage = { kind: same ? 'BACKUP' : 'COPY', fileId: file.fileId, sha256 };
  return { kind: 'PROBLEM', reason, evidence, nothingLeft, damage };
}

async function readCopy(
  { store }: RestoreDependencies,
  { stream: { standbyId } }: RestoreStep,
  { fileId }: RestoreStep['file'],
  signal: AbortSignal,
): Promise<{ readonly same: boolean; readonly sha256: string | null }> {
  const copy = await store.read(db => findCopy(db, standbyId, fileId));
  if (copy === undefined) return { same: false, sha256: null };
  return { same: (await hashOf(copy.writePath, signal)) === copy.sha256, sha256: copy.sha256 };
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
    if (standby === undefined || stream === undefined || rests(standby)) return undefined;
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
  const file = { database, source: sourceOf(step) };
  const { stop } = step;
  await sendAndWait(locked, onPercent =>
    stop === null
      ? restoreLog(exclusive, file, onPercent)
      : restoreLogToMark(exclusive, { ...file, mark: stop }, onPercent),
  );
  const { there, observedAt } = await look(exclusive, database, clock);
  const lsn = there?.redoStartLsn ?? null;
  const position = lsn === null ? null : { lsn, forkGuid: there?.redoStartForkGuid ?? null };
  if (stop !== null && position !== null) {
    // Within the log, so the set before is still the last one behind it.
    if (position.lsn === step.reaches)
      return { kind: 'RESTORED', setId: null, position, observedAt, evidence: null, missedMark: null };
    if (compareLsn(position.lsn, step.reaches) > 0) return missed(step, stop, position, observedAt);
  }
  if (position === null || position.lsn !== step.reaches) return failed(notArrived(step, lsn), step.stream);
  return { kind: 'RESTORED', setId: step.file.setId, position, observedAt, evidence: null, missedMark: null };
}

/**
 * A mark that is not in the file is no error: the whole file is applied (4329, sqlserver.md §0 item 3). The position alone tells, whatever
 * was said, and nothing can bring it back.
 */
function missed(step: RestoreStep, mark: MarkName, position: Position, observedAt: string): RestoreOutcome {
  const { setId, setNumber: set, path, header } = step.file;
  const seen = `it stands at ${position.lsn} and not at ${step.reaches}`;
  const reason = shippingReason('MARK_NOT_FOUND', { database: step.stream.databaseName, set, mark, path, seen });
  const behind = position.lsn === header.lastLsn ? setId : null;
  return {
    kind: 'RESTORED',
    setId: behind,
    position,
    observedAt,
    evidence: null,
    missedMark: { reason: { ...reason, since: observedAt }, position },
  };
}

/**
 * A full, unless the last one ended unseen. REPLACE only over what that one provably left half done, or what a reseed was asked for; else the
 * server refuses. Never over a database that is not RESTORING.
 */
async function seed(locked: Locked, step: RestoreStep, { standby, stream }: Ours): Promise<Sent> {
  const { exclusive, clock } = locked;
  const { databaseName: database, seedingEvidence } = stream;
  const before = await look(exclusive, database, clock);
  if (before.there !== null && before.there.state !== 'RESTORING') return overtaken;
  const standing = positionIn(before.there);
  const history = await restoresInto(exclusive, database);
  const fresh = stream.seedingFileId === null && standing !== null;
  const finding = fresh ? judgeReseed(stream, standing) : judgeSeeding(seedingEvidence, before.there, history);
  // It stands somewhere and nobody began or asked for anything: the next plan goes on from there.
  if (finding === undefined) return overtaken;
  if (finding.kind === 'UNPROVEN') {
    const facts = { database, instance: nameOf(standby, stream), why: finding.why };
    const code = fresh ? 'RESEED_NOT_PROVEN' : 'SEED_NOT_PROVEN';
    return failed(shippingReason(code, facts), stream);
  }
  if (finding.kind === 'ENDED' && seedingEvidence !== null) {
    const { position } = finding;
    const { observedAt } = before;
    return {
      kind: 'RESTORED',
      setId: seedingEvidence.setId,
      position,
      observedAt,
      evidence: seedingEvidence,
      missedMark: null,
    };
  }

  const evidence = { ...evidenceOf(step, history, locked.fencingToken), over: standing };
  if (!(await beginSeeding(locked, stream, step.file.fileId, evidence))) return overtaken;
  const replace = finding.kind === 'HALF_DONE';
  try {
    await sendAndWait(locked, onPercent =>
      restoreFull(exclusive, { database, source: sourceOf(step), replace }, onPercent),
    );
  } catch (error) {
    if (!(error instanceof SqlServerError) || isLost(error)) throw error;
    const { there } = await look(exclusive, database, clock);
    const nothingLeft = there === null;
    if (saysDamagedFile(error)) return { kind: 'SUSPECTED', error: error.message, evidence, nothingLeft };
    return { kind: 'PROBLEM', reason: serverSaid(step, error), evidence, nothingLeft, damage: null };
  }
  const { there, observedAt } = await look(exclusive, database, clock);
  // Where a full leaves the position is inferred, not documented (sqlserver.md §2.6): what was read counts.
  const lsn = there?.redoStartLsn ?? null;
  if (lsn === null)
    return { kind: 'PROBLEM', reason: notArrived(step, lsn), evidence, nothingLeft: there === null, damage: null };
  const position = { lsn, forkGuid: there?.redoStartForkGuid ?? null };
  return { kind: 'RESTORED', setId: step.file.setId, position, observedAt, evidence, missedMark: null };
}

/** What stands there goes, when it is what a reseed was asked for; undefined: none was. */
function judgeReseed({ reseed }: Stream, standing: Position): SeedingFinding | undefined {
  if (reseed === null) return undefined;
  if (isAskedFor(reseed.over, standing)) return { kind: 'HALF_DONE' };
  return { kind: 'UNPROVEN', why: `it stands at ${standing.lsn}` };
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

function positionIn(there: Awaited<ReturnType<typeof look>>['there']): Position | null {
  return there?.redoStartLsn == null ? null : { lsn: there.redoStartLsn, forkGuid: there.redoStartForkGuid };
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
  return { kind: 'PROBLEM', reason, evidence, nothingLeft: false, damage: null };
}

function serverSaid(step: RestoreStep, error: SqlServerError): ShippingReason {
  const { databaseName: database } = step.stream;
  const { setNumber: set, path } = step.file;
  if (saysFullDisk(error)) return shippingReason('STANDBY_DISK_FULL', { database, set, path, error: error.message });
  return restoreFailed(step, error.message);
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
