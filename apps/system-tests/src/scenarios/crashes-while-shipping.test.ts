import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  connect,
  copiesFolder,
  countUnsafeRepeats,
  databasesOf,
  estateFolders,
  management,
  oneOf,
  type Protected,
  seededRandom,
  smallGroup,
  wholeBelow,
} from '@holdfast/demo';
import {
  type SampleGroup,
  seed,
  type StandbyView,
  startSampleGroup,
  untilHeld,
  untilInSync,
  untilSo,
} from '../harness/sample-group.ts';

/** Where the work of a backup set's way can be cut; the first full is restored once only, so that place is the first process's. */
const firstPlace = 'stream/restore_full/acted';
const places = [
  'set-runner/look/acted',
  'set-runner/examine/acted',
  'copy/copy/acted',
  'copy/copy/recorded',
  'copy/verify/acted',
  'stream/restore_log/decided',
  'stream/restore_log/acted',
  'stream/note/decided',
  'observation/look/acted',
] as const;

const databases = databasesOf(smallGroup);

type Set = { id: string; number: string; type: string; markName: string | null };
type Stage = { markName: string | null };
type Page = {
  groups: { nodes: { id: string }[] };
  standbys: { id: string }[];
  group: {
    databases: { nodes: { name: string }[] };
    backupSets: { nodes: Set[]; pageInfo: { hasNextPage: boolean } };
    recoveryPoints: { nodes: { id: string; markName: string }[] };
    rpo: { taken: Stage; shipped: Stage; restorable: Stage };
  };
};
type HistoryRow = { set: string; type: string; mark: string; file: string };

const page = `query ($id: ID!) {
  groups { nodes { id } }
  standbys { id }
  group(id: $id) {
    databases { nodes { name } }
    backupSets(first: 200) { nodes { id number type markName } pageInfo { hasNextPage } }
    recoveryPoints(first: 200) { nodes { id markName } }
    rpo { taken { markName } shipped { markName } restorable { markName } }
  }
}`;

const ending: (() => Promise<void>)[] = [];
let sample: SampleGroup;
let registered: Protected;
let restorableBefore: string | null;
let final: Page;
let standby: StandbyView;
let history: HistoryRow[];

const read = (): Promise<Page> => sample.holdfast.client().ask<Page>(page, { id: registered.groupId });

async function readHistory(): Promise<HistoryRow[]> {
  const connection = await connect(sample.estate.primaries[0].address, 'system test');
  const rows = await connection
    .rows(
      `SELECT BackupSetId, BackupType, MarkName, BackupFileName FROM ${management}.dbo.adm_BackupHistory ORDER BY BackupId`,
    )
    .finally(() => connection.close());
  return rows.map(row => ({
    set: String(row['BackupSetId']),
    type: String(row['BackupType']),
    mark: String(row['MarkName']),
    file: String(row['BackupFileName']),
  }));
}

const newestMark = (rows: readonly HistoryRow[]): string =>
  rows
    .filter(({ type }) => type === 'lg')
    .map(({ mark }) => mark)
    .toSorted()
    .at(-1) ?? '';

// In the normal run the crash matrix kills at each of these places, one at a time.
const isLong = process.env['HOLDFAST_TESTS'] === 'long';
const describeInLong = isLong ? describe : describe.skip;
const why = isLong ? '' : ' (only with HOLDFAST_TESTS=long)';

beforeAll(async () => {
  if (!isLong) return;
  const random = seededRandom(seed);
  sample = await startSampleGroup({ seed, holdAt: [firstPlace] });
  ending.push(() => sample.remove());
  registered = await sample.protect();
  await untilHeld(sample, [firstPlace]);
  let next = oneOf(random, places);
  await sample.holdfast.restart({ holdAt: [next] });
  restorableBefore = (await read()).group.rpo.restorable.markName;
  for (let kill = 2; kill <= 5; kill += 1) {
    // Mostly in the middle of a step, else at any time.
    if (random() < 0.75) await untilHeld(sample, [next]);
    else await pause(wholeBelow(random, 1_500));
    next = oneOf(random, places);
    await sample.holdfast.restart(kill === 5 ? {} : { holdAt: [next] });
  }
  // A mark that was set after the last of them goes all the way, and no later one hides that others did not.
  const { job } = sample;
  const runsBefore = job.runs();
  await untilSo(sample, 'further runs of the backup job', async () => job.runs() >= runsBefore + 2);
  await sample.endWork();
  history = await readHistory();
  const newest = newestMark(history);
  await untilSo(sample, `mark ${newest} shipped and restorable`, async () => {
    const { shipped, restorable } = (await read()).group.rpo;
    return shipped.markName === newest && restorable.markName === newest;
  });
  standby = await untilInSync(sample, 0);
  final = await read();
}, 600_000);

afterAll(() => Promise.all(ending.map(end => end())), 60_000);

describeInLong(
  `Holdfast killed with -9 five times while the backup job runs and shipping restores (seed ${seed})${why}`,
  () => {
    it('goes on with ledger, copies, streams and RPO', async () => {
      const { taken, shipped, restorable } = final.group.rpo;
      expect(taken.markName).toBe(newestMark(history));
      expect(shipped.markName).toBe(newestMark(history));
      expect(restorable.markName).toBe(newestMark(history));
      expect(restorable.markName).not.toBe(restorableBefore);
      const { streams } = standby;
      expect(streams.map(({ databaseName }) => databaseName).toSorted()).toEqual([...databases].toSorted());
      expect(streams.every(({ position }) => /^\d+$/.test(position ?? ''))).toBe(true);
    });

    it('doubles nothing of what it knows', async () => {
      const { group, groups, standbys } = final;
      expect(groups.nodes).toEqual([{ id: registered.groupId }]);
      expect(standbys).toEqual([{ id: registered.standbyId }]);
      expect(group.databases.nodes.map(({ name }) => name).toSorted()).toEqual([...databases].toSorted());
      expect(group.backupSets.pageInfo.hasNextPage).toBe(false);
      const sets = [...new Set(history.map(({ set }) => set))];
      expect(group.backupSets.nodes.map(({ number }) => number).toSorted()).toEqual(sets.toSorted());
      const marks = new Set(history.filter(({ type }) => type === 'lg').map(({ mark }) => mark));
      expect(group.recoveryPoints.nodes.map(({ markName }) => markName).toSorted()).toEqual([...marks].toSorted());
    });

    it('answers a repeated registration with what is there', async () => {
      expect(await sample.protect()).toEqual(registered);
    });

    it('leaves whole copies under their names and nothing else', async () => {
      const { share } = estateFolders(sample.dataFolder);
      const copies = copiesFolder(sample.dataFolder, smallGroup[0].standby);
      const copied = await readdir(copies);
      expect(copied.toSorted()).toEqual([...new Set(history.map(({ file }) => file))].toSorted());
      const sizes = (folder: string) => Promise.all(copied.map(async name => (await stat(join(folder, name))).size));
      expect(await sizes(copies)).toEqual(await sizes(share));
    });

    it('repeats nothing at the standby that must not be repeated', async () => {
      const statements = await sample.statements();
      expect(countUnsafeRepeats(statements)).toBe(0);
      const restored = statements.filter(({ text, outcome }) => /^\s*RESTORE\s+LOG\b/i.test(text) && outcome === 'ok');
      expect(restored.length).toBeGreaterThan(databases.length * 2);
      expect(new Set(restored.map(({ text }) => text)).size).toBe(restored.length);
    });
  },
);
