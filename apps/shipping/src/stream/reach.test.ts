import { type BackupFileId, type DatabaseId, requireLsn, requireMarkName } from '@holdfast/domain';
import { releasable } from '@holdfast/domain/hold-back';
import type { CopiedFile, PlanDatabase } from '@holdfast/domain/restore-plan';
import { chooseTarget, type TargetCandidate } from '@holdfast/domain/target';
import { describe, expect, it } from '@jest/globals';
import { discoveredId } from '@holdfast/service';
import { newestReachable, releaseTo } from './reach.ts';

const names = Array.from({ length: 13 }, (_, index) => `Database${String(index)}`);
const fork = discoveredId('fork', 'one');
const idOf = (name: string) => discoveredId('database', name) as DatabaseId;
const lsn = (of: number) => requireLsn(String(of));

/** Log n from 10·n to 10·n + 10, as its mark lies at 10·n + 5. */
function log(n: number, name: string, changes: Partial<CopiedFile> = {}): CopiedFile {
  return {
    fileId: discoveredId('file', name, String(n)) as BackupFileId,
    type: 'LOG',
    path: `E:\\Copies\\${name}_${String(n)}.bak`,
    position: 1,
    header: {
      backupSetUuid: discoveredId('uuid', name, String(n)),
      familyGuid: discoveredId('family', name),
      firstForkGuid: fork,
      lastForkGuid: fork,
      firstLsn: lsn(10 * n),
      lastLsn: lsn(10 * n + 10),
    },
    verified: true,
    ...changes,
  };
}

/** How often any database was planned to any mark: a plan begins by asking where the mark lies. */
let plans = 0;
class Counted extends Map<DatabaseId, ReturnType<typeof lsn>> {
  override get(key: DatabaseId) {
    plans += 1;
    return super.get(key);
  }
}

const marks = (count: number, proven: (n: number, name: string) => boolean = () => true): TargetCandidate[] =>
  Array.from({ length: count }, (_, index) => count - index).map(n => ({
    mark: requireMarkName(`M${String(n)}`),
    markedAt: null,
    lsnByDatabase: new Counted(names.filter(name => proven(n, name)).map(name => [idOf(name), lsn(10 * n + 5)])),
  }));

const databases = (count: number, has: (n: number, name: string) => boolean): PlanDatabase[] =>
  names.map(name => ({
    databaseId: idOf(name),
    databaseName: name,
    position: { lsn: lsn(10), forkGuid: fork },
    copies: Array.from({ length: count }, (_, index) => index + 1).flatMap(n => (has(n, name) ? [log(n, name)] : [])),
  }));

const counted = <Result>(work: () => Result): [Result, number] => {
  plans = 0;
  const result = work();
  return [result, plans];
};

describe('what planning costs', () => {
  const count = 40;

  it.each([
    ['one database lacks the second log', (n: number, name: string) => n !== 2 || name !== names[12], 'M1'],
    ['one lacks all but the first', (n: number, name: string) => n === 1 || name !== names[7], 'M1'],
    ['all lack all but the first', (n: number) => n === 1, 'M1'],
    [
      'two lack different ones',
      (n: number, name: string) => !(n === 24 && name === names[3]) && !(n === 12 && name === names[9]),
      'M11',
    ],
    ['nothing is there', () => false, null],
  ] as const)('is one plan for each mark that is passed over: %s', (_case, has, floor) => {
    const [release, cost] = counted(() => releaseTo(marks(count), databases(count, has)));
    expect(release.floor).toBe(floor);
    // For everybody: the newest, the floor when it is tried, the floor when it is told, and where the one in the way changes.
    expect(cost).toBeLessThanOrEqual(count + 4 * names.length);
    const [, before] = counted(() => releasable(marks(count), databases(count, has)));
    expect(before).toBeGreaterThanOrEqual((count - 11) * names.length);
  });

  it('is one plan for each database where the newest mark can be reached', () => {
    const [release, cost] = counted(() =>
      releaseTo(
        marks(count),
        databases(count, () => true),
      ),
    );
    expect([release.floor, cost]).toEqual([`M${String(count)}`, names.length]);
  });
});

it('chooses what planning everything would choose, also where marks are unproven and files are not verified', () => {
  let state = 20_261_121;
  const chance = (of: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648 < of;
  };
  const floors = new Set<string | null>();
  for (let round = 0; round < 60; round += 1) {
    const [missing, unproven] = [round % 3 === 0 ? 0.02 : 0.002, round % 2 === 0 ? 0.03 : 0];
    const candidates = marks(12, () => !chance(unproven));
    const several = databases(12, () => !chance(missing)).map(one => ({
      ...one,
      copies: one.copies.map(copy => (chance(missing) ? { ...copy, verified: false } : copy)),
    }));
    const { floor, databases: released } = releasable(candidates, several);
    const quick = releaseTo(candidates, several);
    expect([quick.floor, quick.databases]).toEqual([floor, released]);
    const choice = chooseTarget(candidates, several);
    expect(newestReachable(candidates, several)).toBe(choice.kind === 'CHOSEN' ? choice.target : undefined);
    floors.add(floor);
  }
  expect(floors.size).toBeGreaterThan(4);
});

it('reaches nothing for nobody, and nothing where no mark is known', () => {
  expect(newestReachable(marks(2), [])).toBeUndefined();
  expect(releaseTo(marks(2), [])).toMatchObject({ floor: null, databases: [] });
  const released = releaseTo(
    [],
    databases(1, () => true),
  );
  expect(released.floor).toBeNull();
  expect(released.databases).toHaveLength(names.length);
});
