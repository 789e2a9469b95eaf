import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type BackupJob,
  type Estate,
  type Holdfast,
  noRecorder,
  protectEstate,
  type Protected,
  readStatementLogs,
  seededRandom,
  smallGroup,
  startBackupJob,
  startEstate,
  startHoldfast,
  startLoad,
} from '@holdfast/demo';

/** The demo's group in small, under load and protection: a stand-in per instance, Holdfast in one process. */
export type SampleGroup = {
  readonly dataFolder: string;
  readonly estate: Estate;
  readonly holdfast: Holdfast;
  readonly job: BackupJob;
  /** What every process printed; its last lines belong into the message of a test that waited in vain. */
  log(): string;
  /** Puts the group under Holdfast's protection, or finds it protected. */
  protect(): Promise<Protected>;
  standby(): Promise<StandbyView>;
  /** What the standby's server ran. */
  statements(): Promise<Awaited<ReturnType<typeof readStatementLogs>>[number]>;
  /** Load and backup job end; the servers go on. */
  endWork(): Promise<void>;
  /** Ends everything and removes the folder. */
  remove(): Promise<void>;
};

export type StandbyView = {
  readonly state: string;
  readonly reasons: readonly Reason[];
  readonly newestCommonMarkName: string | null;
  readonly streams: readonly {
    readonly id: string;
    readonly databaseName: string;
    readonly state: string;
    readonly position: string | null;
    readonly lagSets: number | null;
    readonly reasons: readonly Reason[];
  }[];
};

type Reason = { readonly code: string; readonly message: string; readonly evidence: string | null };

export type SampleGroupOptions = {
  readonly seed: number;
  /** Checkpoints at which Holdfast's first process holds a step. */
  readonly holdAt: readonly string[];
};

const connections = 2;
const pauseMs = 50;
const backupEveryMs = 1_500;
const limitMs = 90_000;

export async function startSampleGroup({ seed, holdAt }: SampleGroupOptions): Promise<SampleGroup> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-system-'));
  const lines: string[] = [];
  const log = (line: string): unknown => lines.push(line);
  // Newest first: what uses a thing ends before it.
  const undo: (() => Promise<unknown>)[] = [() => rm(dataFolder, { recursive: true, force: true })];
  const remove = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const estate = await startEstate(dataFolder, smallGroup, log);
    undo.push(() => estate.stop());
    const holdfast = await startHoldfast(dataFolder, log, { holdAt });
    undo.push(() => holdfast.kill());
    const { group, primaries, ports } = estate;
    const random = seededRandom(seed);
    const load = startLoad({
      servers: primaries,
      connections,
      pauseMs,
      random,
      journal: noRecorder,
      run: String(seed),
    });
    const job = startBackupJob({ address: primaries[0].address, everyMs: backupEveryMs });
    const endWork = async (): Promise<void> => {
      await Promise.all([load.stop(), job.stop()]);
    };
    undo.push(endWork);
    const protect = () => protectEstate(holdfast.client(), { dataFolder, group, ports });
    return {
      dataFolder,
      estate,
      holdfast,
      job,
      log: () => lines.slice(-15).join('\n'),
      protect,
      standby: async () => standbyOf(holdfast, (await protect()).standbyId),
      statements: async () => (await readStatementLogs(estate.standbys)).flat(),
      endWork,
      remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function standbyOf(holdfast: Holdfast, id: string): Promise<StandbyView> {
  const { standby } = await holdfast.client().ask<{ standby: StandbyView }>(
    `query ($id: ID!) { standby(id: $id) {
      state newestCommonMarkName reasons { code message evidence }
      streams { id databaseName state position lagSets reasons { code message evidence } } } }`,
    { id },
  );
  return standby;
}

/** Asks until it is so. @throws Error with where the standby stands and what was printed last. */
export async function untilSo(sample: SampleGroup, what: string, isSo: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  while (!(await isSo())) {
    if (limit.aborted)
      throw new Error(`${what}: not in time. ${JSON.stringify(await sample.standby())}\n${sample.log()}`);
    await pause(100);
  }
}

/** Until the standby follows, after `runs` runs of the backup job at least. Resolves with the standby as it was then: it need not stay so. */
export async function untilInSync(sample: SampleGroup, runs: number): Promise<StandbyView> {
  let seen: StandbyView | undefined;
  await untilSo(sample, 'in sync', async () => {
    seen = await sample.standby();
    return sample.job.runs() >= runs && seen.state === 'IN_SYNC' && seen.newestCommonMarkName !== null;
  });
  return seen ?? sample.standby();
}

/** Waits until Holdfast holds the steps it was told to. @throws Error with what was printed last. */
export async function untilHeld(sample: SampleGroup, places: readonly string[]): Promise<void> {
  const limit = Promise.withResolvers<never>();
  const fail = (): void =>
    limit.reject(new Error(`Holdfast did not come to ${places.join(' and ')}.\n${sample.log()}`));
  const timer = setTimeout(fail, limitMs);
  await Promise.race([sample.holdfast.held(), limit.promise]).finally(() => clearTimeout(timer));
}

/** Drawn anew for every run and shown in the tests' titles; HOLDFAST_TEST_SEED repeats a run. */
export const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Math.floor(Math.random() * 1_000_000));
