import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceId, StandbyId } from '@holdfast/domain';
import { joinPath, mapFolder } from '@holdfast/domain/windows-path';
import type { RunnerDefinition, StepContext } from '@holdfast/service/runner';
import { SqlServerError } from '@holdfast/sqlserver';
import { saysDamagedFile } from '@holdfast/sqlserver/conditions';
import { observeHeaders } from '@holdfast/sqlserver/observe';
import { isLost, type StandbyConnections } from '../estate/connection-runner.ts';
import type { StandbyGate } from '../standby/gate.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import { rests, type Standby, type TransferFolder } from '../standby/standby.ts';
import type { CommandDependencies } from '../standby/standby-commands.ts';
import { findStandby, findTrace, listStandbys } from '../standby/standby-store.ts';
import type { Stream } from '../stream/stream.ts';
import { findStream, listStreams } from '../stream/stream-store.ts';
import {
  type Copy,
  type CopyHeader,
  type CopyStep,
  copyStep,
  headerDifference,
  type SourceFile,
  type Uncopied,
} from './copy.ts';
import type { CopyMeter } from './copy-meter.ts';
import { beginCopy, isWrittenBy, noteCopyProblem, noteVerified, noteWritten, updateCopy } from './copy-commands.ts';
import { databasesToCopy, findUncopied } from './copy-store.ts';
import { partOf, type PartOwner, transferFile, type Transferred } from './transfer-runner.ts';

export type CopyRunnerDependencies = CommandDependencies & {
  readonly connections: StandbyConnections;
  readonly gate: StandbyGate;
  readonly fencingToken: number;
  readonly flushEveryBytes: number;
  readonly meter: CopyMeter;
};

type Observation = { readonly standby: Standby; readonly stream: Stream; readonly next: Uncopied } | undefined;
type Decision = { readonly step: CopyStep; readonly standby: Standby; readonly stream: Stream };
type Outcome =
  | { readonly kind: 'WRITTEN'; readonly size: string; readonly sha256: string }
  | { readonly kind: 'VERIFIED'; readonly copy: Copy; readonly header: CopyHeader }
  | {
      readonly kind: 'PROBLEM';
      readonly copy: Copy;
      readonly reason: ShippingReason;
      readonly after: 'CONTINUE' | 'RESTART';
    }
  | { readonly kind: 'HELD' }
  /** It is whole already: look again. */
  | { readonly kind: 'OVERTAKEN' };

/**
 * Brings the files of one database to its standby, one at a time, and has the standby instance read each header before anybody plans with
 * it. Killed anywhere, the row and the files on disk say how far it got (`transferFile`); a header is simply read again. A leader that
 * was replaced and wakes up finds the row written by a greater token and its part gone: it can move neither the one nor the other. A file
 * that does not come is put aside with its reason and tried again later, so that it does not keep the others.
 */
export function copyRunner(
  dependencies: CopyRunnerDependencies,
): RunnerDefinition<Stream, Observation, Decision, Outcome> {
  const { store, clock } = dependencies;
  return {
    name: 'copy',
    subjects: () =>
      store.read(async db => {
        const subjects: Stream[] = [];
        for (const standby of await listStandbys(db)) {
          if (rests(standby)) continue;
          const databases = await databasesToCopy(db, standby.id, clock());
          if (databases.size === 0) continue;
          subjects.push(...(await listStreams(db, [standby.id])).filter(({ databaseId }) => databases.has(databaseId)));
        }
        return subjects;
      }),
    key: ({ id }) => id,
    trace: ({ standbyId }) => store.read(db => findTrace(db, standbyId)),
    observe: ({ id, standbyId }) =>
      store.read(async db => {
        const standby = await findStandby(db, standbyId);
        const stream = await findStream(db, id);
        if (standby === undefined || stream === undefined || rests(standby)) return undefined;
        const { databaseId, position } = stream;
        const of = { standbyId, databaseId, positionLsn: position?.lsn ?? null, nowMs: clock() };
        const next = await findUncopied(db, of);
        return next === undefined ? undefined : { standby, stream, next };
      }),
    decide: observation => {
      if (observation === undefined) return undefined;
      const { standby, stream, next } = observation;
      const step = copyStep(next);
      return step === undefined ? undefined : { step, standby, stream };
    },
    step: ({ step }) => step.kind.toLowerCase(),
    act: (decision, context) =>
      dependencies.gate.inside(decision.standby.id, signal => act(dependencies, decision, context, signal)),
    record: async ({ step, standby }, outcome) => {
      const key = { standbyId: standby.id, fileId: step.file.fileId };
      if (outcome.kind === 'WRITTEN') {
        const { size, sha256 } = outcome;
        await noteWritten(dependencies, key, dependencies.fencingToken, { size, sha256 });
      }
      if (outcome.kind === 'VERIFIED') await noteVerified(dependencies, outcome.copy, standby.groupId, outcome.header);
      if (outcome.kind === 'PROBLEM') await noteCopyProblem(dependencies, outcome.copy, outcome.reason, outcome.after);
    },
  };
}

async function act(
  dependencies: CopyRunnerDependencies,
  { step, standby, stream }: Decision,
  context: StepContext,
  yielding: AbortSignal,
): Promise<Outcome> {
  const now = await dependencies.store.read(db => findStandby(db, standby.id));
  if (now === undefined || rests(now)) return { kind: 'HELD' };
  if (step.kind === 'VERIFY') return verify(dependencies.connections, step.copy, step.file, stream.instanceId);
  return copyFile(dependencies, { file: step.file, standby, stream }, context, yielding);
}

async function copyFile(
  dependencies: CopyRunnerDependencies,
  of: {
    readonly file: SourceFile;
    readonly standby: Standby;
    readonly stream: Stream;
  },
  context: StepContext,
  yielding: AbortSignal,
): Promise<Outcome> {
  const { file, standby, stream } = of;
  const folders = standby.instances.find(({ instanceId }) => instanceId === stream.instanceId)?.folders ?? [];
  const places = placesOf(folders, file);
  const key = { standbyId: standby.id, fileId: file.fileId };
  const { fencingToken: writer } = dependencies;
  const copy = await beginCopy(dependencies, key, writer, before =>
    rowOf(file, before, standby.id, stream.instanceId, places),
  );
  if (copy === undefined) return { kind: 'OVERTAKEN' };
  if (places === undefined) {
    const { path, sourceInstance } = file;
    return problem(copy, shippingReason('FOLDER_NOT_MAPPED', { path, sourceInstance }));
  }
  const owner = ownerOf(standby.id, writer);
  const stop = AbortSignal.any([context.signal, yielding]);
  try {
    const transferred = await transferFile({
      sourcePath: places.read,
      writePath: places.write,
      owner,
      before: copy,
      flushEveryBytes: dependencies.flushEveryBytes,
      signal: stop,
      onStart: async start => {
        await updateCopy(dependencies, key, writer, { ...start, sha256: null });
        const done = Number(start.prefix?.bytes ?? 0);
        dependencies.meter.begin(stream.id, { file: file.path, total: Number(start.size), done });
        await context.checkpoint('started');
      },
      onPrefix: async prefix => {
        await updateCopy(dependencies, key, writer, { prefix });
        await context.checkpoint('flushed');
      },
      onWritten: bytes => dependencies.meter.advance(stream.id, bytes),
      onHashed: async sha256 => {
        await updateCopy(dependencies, key, writer, { sha256 });
        await context.checkpoint('hashed');
      },
    });
    if (transferred.kind === 'WRITTEN') return transferred;
    return problem(copy, transferReason(file, transferred));
  } catch (error) {
    // Nobody would look for it any more: a newer leader has taken over the parts that it found. Ours stays, whatever cut it.
    if (!(await isWrittenBy(dependencies, key, writer))) await rm(partOf(places.write, owner), { force: true });
    // Cut short for a claim: it is taken up again, should the standby come back.
    if (yielding.aborted && !context.signal.aborted) return { kind: 'HELD' };
    throw error;
  } finally {
    dependencies.meter.end(stream.id);
  }
}

function transferReason(
  { databaseName: database, setNumber: set, path }: SourceFile,
  { why, error }: Extract<Transferred, { kind: 'FAILED' }>,
): ShippingReason {
  const facts = { database, set, path, error };
  if (why === 'SOURCE_MISSING') return shippingReason('SOURCE_FILE_MISSING', facts);
  if (why === 'NO_ROOM') return shippingReason('DESTINATION_FULL', facts);
  return shippingReason('COPY_FAILED', facts);
}

/** Two standbys may have their copies in one folder. */
function ownerOf(standbyId: StandbyId, token: number): PartOwner {
  return { name: standbyId.slice(-12), token };
}

function rowOf(
  file: SourceFile,
  before: Copy | undefined,
  standbyId: StandbyId,
  instanceId: InstanceId,
  places: Places | undefined,
): Copy {
  const { fileId, setId, databaseId, position, header } = file;
  const fresh: Copy = {
    standbyId,
    fileId,
    setId,
    databaseId,
    instanceId,
    backupSetUuid: header.backupSetUuid,
    state: 'WRITING',
    writePath: places?.write ?? '',
    standbyPath: places?.standby ?? '',
    position,
    size: null,
    sourceModifiedMs: null,
    prefix: null,
    sha256: null,
    header: null,
    problem: before?.problem ?? null,
    copiedAt: null,
    damagedSha256: before?.damagedSha256 ?? null,
    writer: 0,
  };
  const same = before?.backupSetUuid === fresh.backupSetUuid && before.writePath === fresh.writePath;
  if (!same) return fresh;
  const { size, sourceModifiedMs, prefix, sha256 } = before;
  return { ...fresh, size, sourceModifiedMs, prefix, sha256 };
}

type Places = { readonly read: string; readonly write: string; readonly standby: string };

/** This machine's rules for its own paths, text for the standby's (design.md §5, step 3). */
function placesOf(folders: readonly TransferFolder[], file: SourceFile): Places | undefined {
  const mapped = mapFolder(folders, file);
  if (mapped.kind !== 'MAPPED') return undefined;
  const { view, segments } = mapped;
  return {
    read: join(view.read, ...segments),
    write: join(view.write, ...segments),
    standby: segments.reduce(joinPath, view.standby),
  };
}

async function verify(
  connections: StandbyConnections,
  copy: Copy,
  file: SourceFile,
  instanceId: InstanceId,
): Promise<Outcome> {
  const { databaseName: database, setNumber: set, path } = file;
  // Copied again when its time has come: it is the source that may be mended, not what lies here.
  const cut = (error: string): Outcome => {
    const reason = shippingReason('SOURCE_FILE_DAMAGED', { database, set, path, error });
    return { kind: 'PROBLEM', copy, reason, after: 'RESTART' };
  };
  const other = (error: string) => shippingReason('OTHER_BACKUP_IN_FILE', { database, path, error });
  try {
    const { server, majorVersion } = await connections.to(instanceId);
    const { headers } = await observeHeaders(server, { path: copy.standbyPath, majorVersion });
    const needed = headers.reduce((sum, { compressedSize }) => sum + BigInt(compressedSize ?? '0'), 0n);
    if (copy.size !== null && BigInt(copy.size) < needed)
      return cut(`it has ${copy.size} bytes; its headers say that its backups take ${String(needed)}`);
    const read = headers.find(({ position }) => position === copy.position);
    const difference = headerDifference(file.header, read, copy.position);
    if (read === undefined || difference !== undefined)
      return { kind: 'PROBLEM', copy, reason: other(difference ?? 'no header'), after: 'RESTART' };
    const { backupSetUuid, familyGuid, lastForkGuid, firstLsn, lastLsn, forkPointLsn, hasChecksums } = read;
    const firstForkGuid = read.firstForkGuid ?? lastForkGuid;
    const header = {
      backupSetUuid,
      familyGuid,
      firstForkGuid,
      lastForkGuid,
      firstLsn,
      lastLsn,
      forkPointLsn,
      hasChecksums,
    };
    return { kind: 'VERIFIED', copy, header };
  } catch (error) {
    if (isLost(error)) await connections.lost(instanceId);
    // Only what is wrong with the file belongs to the file; a server that does not answer is the loop's to try again.
    if (error instanceof SqlServerError && error.errorClass === 'media')
      return saysDamagedFile(error)
        ? cut(error.message)
        : { kind: 'PROBLEM', copy, reason: other(error.message), after: 'CONTINUE' };
    throw error;
  }
}

function problem(copy: Copy, reason: ShippingReason): Outcome {
  return { kind: 'PROBLEM', copy, reason, after: 'CONTINUE' };
}
